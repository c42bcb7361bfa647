"""The webhooks of a call that rings, and of one whose stream has ended.

No model stands before a document, and what keeps the state is waited for a second and a half at the most, in
all; while it cannot be asked no call is taken, and those there are go on.

Every webhook may come twice, to this process or to another one: the second is told what the first was, and
causes nothing (`switchboard/questions.py`). Where two processes are asked at once, what was noted first
counts for both.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

import structlog
from msgspec import structs

from callbridge.call.agent_facts import ValuesSet
from callbridge.call.facts import CallDescribed, CallOffered, EndReason, Promise, StreamAsked
from callbridge.call.wishes import PutThrough
from callbridge.observe.redaction import masked_number
from callbridge.server.config.addresses import STREAM_ENDED_PATH, TRANSFER_ENDED_PATH, VOICE_PATH
from callbridge.server.http.about import about, described
from callbridge.server.http.fallback import comes_from_human, fall_back, last_resort
from callbridge.server.http.forms import Forms, TwilioForm, twilio_routes, twiml_response
from callbridge.server.http.probed import answer_to_probe
from callbridge.server.http.transfers import Transfers
from callbridge.server.process.live_calls import falls_silent
from callbridge.server.process.measuring.refusals import tell_first
from callbridge.server.process.taking import offer
from callbridge.server.process.tellings import ENDED, REPLACED, tell_its_carrier
from callbridge.server.process.within import within
from callbridge.switchboard.admission import DeclineReason
from callbridge.switchboard.continuation import (
    CALL_OVER,
    CONTINUATIONS_MAX,
    Continuation,
    decide,
    read_facts,
    read_history,
)
from callbridge.switchboard.facts_told import agent_in, is_same
from callbridge.switchboard.holding import MOMENT_S, PAUSE_S
from callbridge.switchboard.questions import Asked, Offer, Question, read_asked
from callbridge.switchboard.transfer import read_transfers
from callbridge.telephony import connect, twiml
from callbridge.telephony.signed_tokens import LIFETIME_S, StreamClaim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import APIRouter, Request
    from fastapi.responses import Response

    from callbridge.agents.choosing.choice import Chosen
    from callbridge.server.process.desk import Desk
    from callbridge.state.state import CallEvent
    from callbridge.switchboard.continuation import CallHistory
    from callbridge.switchboard.transfer import TransferSoFar

READ_S: Final = 1.0
"""How long what is known of a call is waited for when its stream has ended. The caller hears nothing then."""

RETRIES: Final = "#rc=5"
"""Twilio tries five times more where nobody listens. It neither sends nor signs this part of an address."""

_CALLERS_OWN: Final = frozenset(reason.value for reason in DeclineReason if reason.is_callers_own)

_ELSEWHERE: Final = frozenset({Continuation.MOVED, Continuation.HANG_UP})
"""The caller is with nobody of ours."""

_log = structlog.get_logger()


def webhook_router(desk: Desk) -> APIRouter:
    """The routes of a call that begins, or whose stream has ended."""
    webhooks = _Webhooks(desk)
    return twilio_routes(
        {
            VOICE_PATH: webhooks.voice,
            STREAM_ENDED_PATH: webhooks.stream_ended,
            TRANSFER_ENDED_PATH: webhooks.transfer_ended,
        }
    )


class _Webhooks:
    """The endpoints; each first lets `Forms.read` turn strangers away."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._settings = desk.settings
        self._forms = Forms(desk)
        self._transfers = Transfers(desk)

    # --- A call that rings ---

    async def voice(self, request: Request) -> Response:
        """A phone rings: connect it to the media socket, or give its caller the fallback."""
        form = await self._forms.read(request)
        desk, call_sid = self._desk, form.call_sid
        if (probed := answer_to_probe(desk, form)) is not None:
            return probed
        async with desk.one_by_one.of(call_sid):
            asked = read_asked(await desk.known(call_sid))
            offer = asked.offer(form.get("CallStatus"), desk.wall_now())
            if offer in {Offer.FIRST, Offer.AGAIN}:
                # Those of captured requests, repeated later, would push out those of live calls.
                desk.call_tokens.keep(call_sid, form.get("CallToken"))
            match offer:
                case Offer.FIRST:
                    offered = await self._offer(form, described(request, form))
                    kept = desk.kept() if offered.promise is None else desk.start_kept(call_sid)
                    first = read_asked(await desk.known(call_sid)) if await kept else None
                    if first is None or first.offered is None or is_same(first.offered, offered):
                        return self._answer_offer(form, offered, desk.wall_now())
                    return self._answer_offer(form, first.offered, first.offered_at, is_repeated=True)
                case Offer.AGAIN:
                    assert asked.offered is not None, "what was offered is offered again"
                    return self._answer_offer(form, asked.offered, asked.offered_at, is_repeated=True)
                case Offer.OVER:
                    self._tell_of("call_offered_late", call_sid)
                    return twiml_response(twiml.hang_up())
                case Offer.GOES_ON:
                    # This request may have been captured, and the stream be live in another process. So it
                    # causes nothing: Twilio, and nobody else, can ask the address that it is sent to.
                    return self._hold(asked.resolved(Question()).again, rounds=0)

    async def _offer(self, form: TwilioForm, said: CallDescribed) -> CallOffered:
        """Chooses who answers, takes the call or does not, and notes which."""
        desk, caller, called = self._desk, form.get("From"), form.get("To")
        chosen = await desk.plans.choose(about(desk, form.call_sid, caller, called, said))
        log = _log.bind(call_sid=form.call_sid, caller=masked_number(caller), called=masked_number(called))
        agent = chosen.name
        leads_back, priced_as = comes_from_human(desk, form), desk.prices.inbound(caller, called)
        if reason := await offer(desk, form.call_sid, caller, desk.plans.model(agent)):
            log.warning("call_declined", reason=reason.value)
            offered = CallOffered(caller, called, reason.value, agent, leads_back, priced_as=priced_as)
        else:
            log.info("call_offered", direction=form.get("Direction"), agent=agent)
            self._note_for_the_agent(form.call_sid, said, chosen)
            promise = self._promise(form, 1, agent)
            offered = CallOffered(caller, called, "", agent, leads_back, promise, priced_as=priced_as)
        desk.note(form.call_sid, offered)
        return offered

    def _note_for_the_agent(self, call_sid: str, said: CallDescribed, chosen: Chosen) -> None:
        """What its process is to know, whichever that is."""
        if said != CallDescribed():
            self._desk.note(call_sid, said)
        if chosen.values is not None:
            self._desk.note(call_sid, ValuesSet(chosen.values))

    def _answer_offer(
        self, form: TwilioForm, offered: CallOffered, at: float, *, is_repeated: bool = False
    ) -> Response:
        """The document of a call that was taken at this time; else the fallback.

        For who calls too often a word, and no human who would be rung as often.
        """
        if offered.promise is not None:
            return self._connect(form, offered.promise, continues=False)
        if offered.declined in _CALLERS_OWN:
            return twiml_response(twiml.goodbye(self._desk.words("caller_limit_message", offered.agent)))
        return twiml_response(fall_back(self._desk, form, offered.agent, is_repeated=is_repeated, at=at))

    # --- A call whose stream has ended ---

    async def stream_ended(self, request: Request) -> Response:
        """The `<Connect action>`: what becomes of a call after its stream."""
        form = await self._forms.read(request)
        return await self._what_follows(form, _question(request))

    async def transfer_ended(self, request: Request) -> Response:
        """The action of the `<Dial>` by which a caller was put through: what becomes of them after that."""
        form, question = await self._forms.read(request), _question(request)
        await self._transfers.note_end(form, question)
        return await self._what_follows(form, question)

    async def _what_follows(self, form: TwilioForm, question: Question) -> Response:
        desk, call_sid, status = self._desk, form.call_sid, form.get("CallStatus")
        told = _Told(desk, call_sid)
        asked = read_asked(read_facts(await told.events()))
        question = asked.resolved(question)
        is_told = asked.answer_to(question, status, desk.wall_now()) is not None
        # Of a call that is over its end may be known, and its stream hang in the air all the same.
        if (not is_told or status in CALL_OVER) and not await self._is_over(form):
            # Not Twilio, or Twilio about a call that it has sent elsewhere: nothing is noted of it.
            self._tell_of("stream_ended_early", call_sid)
            return self._hold(question, rounds=0)
        async with desk.one_by_one.of(call_sid):
            events = await told.events()
            found, history = read_facts(events), read_history(events)
            asked, transfers = read_asked(found), read_transfers(found)
            before = asked.answer_to(question, status, desk.wall_now())
            tell_its_carrier(desk, call_sid, history, ENDED if status in CALL_OVER else REPLACED)
            history = replace(history, follows=self._transfers.follows(history, transfers))
            desk.recalling.looks_back(form.get("From"), events)
            answer = before
            if answer is None:
                answer = await self._decide(form, question, asked, history, transfers, knows=told.is_known)
                # Before the answer: the number of continuations is the bound of them.
                desk.note(call_sid, answer)
                if await desk.start_kept(call_sid):
                    asked = read_asked(await desk.known(call_sid))
                    first = asked.answer_to(question, status, desk.wall_now())
                    if first is not None and not is_same(first, answer):
                        before = answer = first
        if answer.follows == Continuation.PUT_THROUGH:
            return twiml_response(self._put_through(form, question, history, transfers))
        agent = agent_in(fact for _, fact in found)
        told_at = None if before is None else asked.answered_at.get(question)
        return self._answer(
            form, question, answer, history, agent, is_repeated=before is not None, at=told_at
        )

    def _put_through(
        self,
        form: TwilioForm,
        question: Question,
        history: CallHistory,
        transfers: Mapping[str, TransferSoFar],
    ) -> str:
        """A person is rung for the caller, or waits for them."""
        follows = history.follows
        if not isinstance(follows, PutThrough):
            return twiml.hang_up()  # A repetition, and the caller is with an agent again.
        return self._transfers.document(form, question, transfers[follows.transfer_id])

    async def _is_over(self, form: TwilioForm) -> bool:
        """Whether the call has no stream here; one that hangs in the air is told."""
        live = self._desk.live_calls.find(form.call_sid)
        if live is None or live.has_ended:
            return True
        if not await falls_silent(live):
            return False
        if form.get("CallStatus") in CALL_OVER:
            live.caller_hung_up()
        else:
            live.phone_replaced()
        return True

    async def _decide(
        self,
        form: TwilioForm,
        question: Question,
        asked: Asked,
        history: CallHistory,
        transfers: Mapping[str, TransferSoFar],
        *,
        knows: bool,
    ) -> StreamAsked:
        """What follows, with what it takes. Nothing is done to a call that somebody has sent elsewhere.

        Without its past (`knows`) a call goes on as well: its address says how often it has, and is signed.
        """
        desk = self._desk
        desk.look_around()
        has_past = knows and desk.condition.has_healthy_store
        # A call that nobody knows may be one of long ago, about which somebody repeats a captured question:
        # it may have a place, and none beyond the last.
        may_stay = asked.is_known or desk.admission.has_room(desk.now())
        behind = history.follows
        if behind is None and question.transfer in transfers:  # Nobody knows the stream any more.
            behind = PutThrough(question.transfer)
        follows = decide(
            call_status=form.get("CallStatus"),
            follows=behind,
            continued_at=history.continued_at,
            now=desk.wall_now(),
            can_continue=may_stay and (has_past or question.stream <= CONTINUATIONS_MAX),
            never_began=has_past and history.never_began,  # Who else has it could not write that it began.
            is_stopped=history.ended is EndReason.CALLER_HANGUP,
            held=question.held,
            is_leaving=desk.condition.is_leaving,
            transfer=self._transfers.before(form, behind, transfers),
        )
        reason = "nothing is known of its end" if history.ended is None else history.ended.value
        _log.info("stream_continued", call_sid=form.call_sid, continuation=follows.value, reason=reason)
        if not isinstance(history.follows, PutThrough) and follows not in _ELSEWHERE:
            self._transfers.give_up(form.call_sid, transfers)
        answer = StreamAsked(follows.value, history.ended, question.stream, question.held, question.transfer)
        match follows:
            case Continuation.RESUME | Continuation.RETURN:
                refused = desk.admission.continue_(form.call_sid, desk.now())
                assert refused is None, "a process that leaves holds its callers"
                agent = history.agent or await self._chosen_before(form, asked)
                promise = self._promise(form, asked.next_stream(question), agent)
                return structs.replace(answer, promise=promise)
            case Continuation.HOLD:
                is_alone = all(other.is_leaving for other in await desk.others())
                restart_s = self._settings.restart_seconds
                held = desk.drain.hold(form.call_sid, question.held, restart_s, is_alone=is_alone)
                return structs.replace(answer, rounds=held.rounds)
            case Continuation.MOVED:
                pass
            case Continuation.PUT_THROUGH:
                # The call has no stream, and may have one again: its words are kept, its place is free.
                desk.admission.abandoned(form.call_sid, desk.now())
            case _:
                desk.release(form.call_sid)
        return answer

    async def _chosen_before(self, form: TwilioForm, asked: Asked) -> str:
        """Who answers a call that no agent has had yet, or of which nothing is known any more."""
        if asked.offered is not None and asked.offered.agent:
            return asked.offered.agent
        known = about(self._desk, form.call_sid, form.get("From"), form.get("To"), CallDescribed())
        return (await self._desk.plans.choose(known)).name

    def _answer(
        self,
        form: TwilioForm,
        question: Question,
        answer: StreamAsked,
        history: CallHistory,
        agent: str,
        *,
        is_repeated: bool,
        at: float | None,
    ) -> Response:
        match Continuation(answer.follows):
            case Continuation.RESUME | Continuation.RETURN:
                assert answer.promise is not None, "a stream that follows was promised"
                return self._connect(form, answer.promise, continues=True)
            case Continuation.FALL_BACK:
                leads_back = history.leads_back
                return twiml_response(
                    fall_back(self._desk, form, agent, leads_back=leads_back, is_repeated=is_repeated, at=at)
                )
            case Continuation.SAY_GOODBYE:
                return twiml_response(twiml.goodbye(self._desk.words("goodbye", agent)))
            case Continuation.HANG_UP:
                return twiml_response(twiml.hang_up())
            case Continuation.PUT_THROUGH:
                raise AssertionError("answered by whoever knows the transfer")
            case Continuation.HOLD | Continuation.MOVED:
                return self._hold(question.again, rounds=answer.rounds, agent=agent)
            case never:
                assert_never(never)

    def _tell_of(self, repetition: str, call_sid: str) -> None:
        """A line for the first, then a count a minute: who has captured a request may send it for ever."""
        desk = self._desk
        tell_first(desk.refused, desk.now(), repetition, _log.warning, repetition, call_sid=call_sid)

    # --- Documents ---

    def _action_url(self, question: Question) -> str:
        return f"{self._settings.action_url}?{question.query}{RETRIES}"

    def _hold(self, question: Question, *, rounds: int, agent: str = "") -> Response:
        """The caller waits, for a moment or so many rounds of words; then Twilio asks `question`."""
        next_url = self._action_url(question)
        if not rounds:
            return twiml_response(twiml.hold(twiml.Words(""), rounds=1, pause_s=MOMENT_S, next_url=next_url))
        said = self._desk.words("one_moment", agent)
        return twiml_response(twiml.hold(said, rounds=rounds, pause_s=PAUSE_S, next_url=next_url))

    def _promise(self, form: TwilioForm, stream: int, agent: str) -> Promise:
        """A stream is to come, and while its socket is being connected the model is dialled."""
        desk = self._desk
        desk.drain.stream_promised()
        if self._settings.predial:
            desk.waiting.predial(form.call_sid, desk.plans.model(agent))
        return Promise(stream, agent, desk.tokens.nonce().hex(), int(desk.wall_now()) + LIFETIME_S)

    def _connect(self, form: TwilioForm, promise: Promise, *, continues: bool) -> Response:
        """The TwiML of a stream that was promised: whenever it is asked for, the same with the same token."""
        desk, caller, called = self._desk, form.get("From"), form.get("To")
        claim = StreamClaim(form.call_sid, form.account_sid, caller, called, continues, promise.agent)
        token = desk.tokens.issue(claim, promise.expires_at - LIFETIME_S, bytes.fromhex(promise.nonce))
        return twiml_response(
            connect.answer(
                stream_url=self._settings.stream_url,
                action_url=self._action_url(Question(promise.stream)),
                stream_status_url=self._settings.stream_status_url,
                token=token,
                caller=caller,
                called=called,
                fallback=last_resort(desk, form, promise.agent, promise.expires_at - LIFETIME_S),
            )
        )


class _Told:
    """What the state has of a call that a webhook is about; asked for `READ_S` at the most, in all."""

    def __init__(self, desk: Desk, call_sid: str) -> None:
        self._desk, self._call_sid = desk, call_sid
        self._left_s = READ_S
        self.is_known = True
        """Whether it has answered each time."""

    async def events(self) -> tuple[CallEvent, ...]:
        """Its events as they are now; none when the state keeps a caller waiting."""
        began_at = asyncio.get_running_loop().time()
        found = await within(self._left_s, self._desk.state.events(self._call_sid))
        self._left_s = max(0.0, self._left_s - (asyncio.get_running_loop().time() - began_at))
        self.is_known = self.is_known and found is not None
        return found or ()


def _question(request: Request) -> Question:
    """What an address asks about."""
    query = request.query_params
    return Question.read(query.get("stream", ""), query.get("held", ""), query.get("transfer", ""))
