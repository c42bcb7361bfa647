"""A program, carried out on a leg: webhooks are asked, time is spent, streams run, others are rung.

What to do next is decided by `program`. Every step ends at once when the leg is sent elsewhere, is hung up,
or loses its other side; what Twilio still asks then, and does not execute, is asked here.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, assert_never

from callbridge.simulators.phone import events, webhooks
from callbridge.simulators.phone import leg as legs
from callbridge.simulators.phone.leg import HungUp, Redirected, RedirectedTo
from callbridge.simulators.phone.leg_record import Recording, now
from callbridge.simulators.phone.people import Moment
from callbridge.simulators.phone.silence import CALLER, Sound
from callbridge.simulators.phone.steps import End, Enter, EnterRoom, Fetch, OpenStream, Ring, Spend, Talk
from callbridge.simulators.phone.streaming import run_stream
from callbridge.simulators.phone.twiml import WebAnswer, WebFailure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callbridge.simulators.phone.call_settings import CallSettings
    from callbridge.simulators.phone.caller import Caller
    from callbridge.simulators.phone.leg import Cut, Leg
    from callbridge.simulators.phone.program import Program
    from callbridge.simulators.phone.steps import Step


class Execution:
    """What happens on one leg.

    Args:
        leg: keeps the record.
        program: says what is next.
        settings: of the call, or of all calls that an exchange makes.
        caller: who talks when it becomes a stream.
        talk: what a leg does that was rung by a `<Dial>`, when its whisper is over.
        on_sent_elsewhere: told when the leg leaves what it was in for another document.
    """

    def __init__(
        self,
        leg: Leg,
        program: Program,
        settings: CallSettings,
        caller: Caller,
        *,
        talk: Callable[[], Awaitable[None]] | None = None,
        on_sent_elsewhere: Callable[[], None] | None = None,
    ) -> None:
        self.leg = leg
        self.program = program
        self.settings = settings
        self.caller = caller
        self.answers_ms: list[float | None] = []
        """How long each webhook took; None for one that gave no answer."""
        self.cut_at: float | None = None
        """When somebody hung up, who does not wait for what Twilio is still told."""
        self._talk = talk
        self._on_sent_elsewhere = on_sent_elsewhere
        self._unheard: Fetch | None = None
        """What is asked although its answer is not executed, when the present step is broken off."""
        self._told_complaints = 0
        leg.executed = program.executed
        self._told_verbs = 0

    def begin_with(self, document: str) -> Step:
        """The call is answered with a document that nobody has to be asked for."""
        step = self.program.begin_with(document)
        self._take_answer()
        return step

    async def run(self, step: Step) -> str:
        """Carry out step after step; returns the status of the call at its end."""
        while not isinstance(step, End):
            self._tell_progress()
            step = await self._carry_out(step)
            if self.leg.cut is not None and not self.program.has_left:
                step = await self._obey(self.leg.take_cut())
            self._unheard = None
        self._tell_progress()
        return step.status

    async def _carry_out(self, step: Step) -> Step:
        match step:
            case Fetch():
                return await self._fetch(step)
            case Spend():
                return await self._spend(step)
            case Enter(verb):
                return self.program.entered(verb, "")
            case OpenStream():
                return await self._stream(step)
            case Ring():
                return await self._ring(step)
            case EnterRoom():
                return await self._enter(step)
            case Talk():
                return await self._be_connected()
            case End():
                return step
            case _:
                assert_never(step)

    async def _obey(self, cut: Cut | None) -> Step:
        """The step was broken off: go where the leg was sent."""
        unheard, self._unheard = self._unheard, None
        if cut is None or isinstance(cut, HungUp):
            self.leg.hung_up_by = cut.by_whom if cut is not None else None
            self.cut_at = self.cut_at or now()
            if unheard is not None and self.settings.action_after_hang_up:
                await self._ask(unheard, "completed")
            return End("completed" if self.program.is_answered else "canceled")
        if self._on_sent_elsewhere is not None:
            self._on_sent_elsewhere()
        if unheard is not None and self.settings.action_lags:
            assert self.leg.tasks is not None, "a leg that is carried out has its tasks"
            self.leg.tasks.create_task(self._ask(unheard, "in-progress"), name="phone-action")
        elif unheard is not None:
            await self._ask(unheard, "in-progress")
        match cut:
            case Redirected(url, method):
                return self.program.redirected(url, method)
            case RedirectedTo(document):
                return self.program.redirected_to(document)
            case _:
                assert_never(cut)

    # --- Webhooks ---------------------------------------------------------------------------

    async def _fetch(self, step: Fetch) -> Step:
        status = "completed" if step.is_over else "in-progress" if step.is_answered else "ringing"
        assert self.leg.tasks is not None, "a leg that is carried out has its tasks"
        asking = self.leg.tasks.create_task(self._ask(step, status), name="phone-webhook")
        # Twilio does not break off the request of a call that is sent elsewhere, it ignores the answer.
        if step.is_over:
            answer: WebAnswer | WebFailure | None = await asking
        else:
            answer = await self.leg.unless_cut(asyncio.shield(asking))
        if answer is None:
            return End("completed")
        following = self.program.answered(answer)
        self._take_answer()
        return following

    async def _ask(self, step: Fetch, status: str) -> WebAnswer | WebFailure:
        leg, asked_at = self.leg, now()
        standard = webhooks.voice_parameters(leg.line, status)
        if not self.answers_ms and leg.direction == "inbound":
            standard = webhooks.first_parameters(leg.line)
        place = len(self.answers_ms)
        self.answers_ms.append(None)
        answer = await leg.web.ask(step.url, step.method, standard | dict(step.parameters))
        leg.web.auth_token = self.settings.next_auth_token or leg.web.auth_token
        took_ms = (now() - asked_at) * 1000
        http_status = None
        if isinstance(answer, WebAnswer):
            http_status = answer.status
            leg.documents.append(answer.body.decode("utf-8", "replace"))
            self.answers_ms[place] = round(took_ms, 1)
        leg.notify(events.WebhookAnswered(now(), step.url, http_status, took_ms))
        return answer

    def _take_answer(self) -> None:
        """The call is answered by its document, if nobody has answered it yet."""
        if self.program.is_answered and self.leg.status == legs.RINGING:
            self.leg.answer()

    # --- Time -------------------------------------------------------------------------------

    async def _spend(self, step: Spend) -> Step:
        leg, began_at = self.leg, self.leg.on_line()
        if step.sound:
            leg.reach(Moment.BRIEFING)
        elif step.is_callers_turn:
            leg.reach(Moment.KEYS)
        is_done = await leg.wait(step.seconds)
        if step.sound:
            leg.hear(step.sound, step.text, began_at)
        elif step.is_callers_turn:
            leg.turns.append(Sound(began_at, leg.on_line(), CALLER))
        self._make_callbacks()
        return self.program.spent() if is_done else End("completed")

    def _make_callbacks(self) -> None:
        """Those of a verb that is over, beside the call."""
        whose = {"AccountSid": self.leg.line.account_sid, "CallSid": self.leg.sid}
        assert self.leg.tasks is not None, "a leg that is carried out has its tasks"
        for callback in self.program.callbacks:
            told = whose | dict(callback.parameters)
            where = callback.url, callback.method
            self.leg.callbacks.post(self.leg.tasks, where, told, name="callback")
        self.program.callbacks.clear()

    # --- Streams and other legs ---------------------------------------------------------------

    async def _stream(self, step: OpenStream) -> Step:
        stream = await run_stream(self.leg, step, self.settings, self.caller)
        assert stream.end is not None, "a stream that was driven has ended"
        noun = step.noun
        is_moved = isinstance(self.leg.cut, Redirected | RedirectedTo)
        if self.settings.asks_connect_when_moved or not is_moved:
            self._unheard = self.program.cut_short(noun.action, noun.method, ())
        if stream.end.by_whom == "caller":
            self.cut_at = stream.end.at
            self.leg.hang_up(legs.CALLER)
        if self.leg.cut is not None:
            return End("completed")
        return self.program.stream_ended(noun)

    async def _ring(self, step: Ring) -> Step:
        """The nouns of a `<Dial>`, as the exchange has them."""
        assert self.settings.exchange is not None, "a program rings only where there is an exchange"
        dialled = await self.settings.exchange.dial(self.leg, step, self._connected)
        result = dialled.parameters(tells_bridged=self.settings.line.tells_dial_bridged)
        return self._after_dial(step, result)

    def _connected(self) -> None:
        """Whoever was rung is there: a call that rang until now is answered."""
        self.program.picked_up()
        self._take_answer()

    async def _enter(self, step: EnterRoom) -> Step:
        assert self.settings.exchange is not None, "a program enters rooms only where there is an exchange"
        self._connected()
        status = await self.settings.exchange.enter(self.leg, step)
        if status is None:
            return self.program.not_entered()
        return self._after_dial(step, (("DialCallStatus", status),))

    def _after_dial(self, step: Ring | EnterRoom, result: tuple[tuple[str, str], ...]) -> Step:
        if isinstance(self.leg.cut, HungUp):
            self.leg.hung_up_by = self.leg.cut.by_whom
            self.leg.take_cut()
            self.cut_at = now()
            return self.program.dialled(step.verb, result, has_left=True)
        if self.leg.cut is not None:
            self._unheard = self.program.cut_short(step.verb.action, step.verb.method, result)
            return End("completed")
        return self.program.dialled(step.verb, result)

    async def _be_connected(self) -> Step:
        assert self._talk is not None, "only who was rung by a <Dial> has a whisper"
        await self._talk()
        return End("completed")

    # --- The record ---------------------------------------------------------------------------

    def _tell_progress(self) -> None:
        """Pass on what the program has done and minded since the last time."""
        program = self.program
        for executed in program.executed[self._told_verbs :]:
            self.leg.notify(events.VerbExecuted(now(), executed.verb, executed.detail))
        for code, detail in program.complaints[self._told_complaints :]:
            self.leg.complain(code, detail)
        self._told_verbs, self._told_complaints = len(program.executed), len(program.complaints)
        for sid, seconds in program.recordings[len(self.leg.recordings) :]:
            self.leg.recordings.append(Recording(sid, seconds, datetime.now(UTC)))
