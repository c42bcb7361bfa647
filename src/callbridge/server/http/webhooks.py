"""The webhooks of a call that rings, and of one whose stream has ended.

A ringing phone is answered from memory alone: no model, no network and no disk stands before its TwiML. What
follows a stream may be known to another process only, so there the state is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import structlog
from fastapi import APIRouter

from callbridge.call.facts import CallOffered, StreamAsked
from callbridge.observe.redaction import masked_number
from callbridge.server.config.addresses import STREAM_ENDED_PATH, VOICE_PATH
from callbridge.server.config.say import words
from callbridge.server.http.fallback import comes_from_human, fall_back, last_resort
from callbridge.server.http.forms import Forms, TwilioForm, twiml_response
from callbridge.switchboard.continuation import Continuation, decide, read_history
from callbridge.telephony import connect, twiml
from callbridge.telephony.signed_tokens import StreamClaim

if TYPE_CHECKING:
    from fastapi import Request
    from fastapi.responses import Response

    from callbridge.server.process.desk import Desk
    from callbridge.switchboard.admission import DeclineReason

_log = structlog.get_logger()


def webhook_router(desk: Desk) -> APIRouter:
    """The routes of a call that begins, or whose stream has ended."""
    webhooks = _Webhooks(desk)
    router = APIRouter()
    router.add_route(VOICE_PATH, webhooks.voice, methods=["GET", "POST"])
    router.add_route(STREAM_ENDED_PATH, webhooks.stream_ended, methods=["GET", "POST"])
    return router


class _Webhooks:
    """The endpoints; each first lets `Forms.read` turn strangers away."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._settings = desk.settings
        self._forms = Forms(desk)

    async def voice(self, request: Request) -> Response:
        """A phone rings: connect it to the media socket, or give its caller the fallback."""
        form = await self._forms.read(request)
        desk, caller = self._desk, form.get("From")
        log = _log.bind(
            call_sid=form.call_sid, caller=masked_number(caller), called=masked_number(form.get("To"))
        )
        desk.look_around()
        key, agent = desk.caller_key(caller), desk.plans.choose(form.get("To"))
        model = desk.plans.plan(agent).model
        leads_back = comes_from_human(desk, form)
        if reason := desk.admission.offer(form.call_sid, key, model, desk.now()):
            log.warning("call_declined", reason=reason.value)
            self._desk.note(
                form.call_sid, CallOffered(caller, form.get("To"), reason.value, agent, leads_back)
            )
            return self._decline(form, reason)
        desk.state.note_call(key, desk.wall_now())
        log.info("call_offered", direction=form.get("Direction"))
        self._desk.note(
            form.call_sid, CallOffered(caller, form.get("To"), agent=agent, leads_back=leads_back)
        )
        return self._connect(form, agent, continues=False)

    def _decline(self, form: TwilioForm, reason: DeclineReason) -> Response:
        """The fallback; for who calls too often a word, and no human who would be rung as often."""
        if reason.is_callers_own:
            return twiml_response(twiml.goodbye(words(self._settings, "caller_limit_message")))
        return twiml_response(fall_back(self._desk, form))

    async def stream_ended(self, request: Request) -> Response:
        """The `<Connect action>`: what becomes of a call after its stream."""
        form = await self._forms.read(request)
        desk = self._desk
        if (live := desk.live_calls.find(form.call_sid)) is not None:
            live.phone_replaced()
        history = read_history(await desk.state.events(form.call_sid))
        desk.look_around()
        status = form.get("CallStatus")
        follows = decide(
            call_status=status,
            follows=history.follows,
            continued_at=history.continued_at,
            now=desk.wall_now(),
            can_continue=not desk.condition.is_leaving and desk.condition.has_healthy_store,
            never_began=history.never_began,
        )
        if follows is Continuation.RESUME:
            key = desk.caller_key(form.get("From"))
            if desk.admission.continue_(form.call_sid, key, desk.now()) is not None:
                follows = Continuation.FALL_BACK
        reason = "nothing is known of its end" if history.ended is None else history.ended.value
        _log.info("stream_continued", call_sid=form.call_sid, continuation=follows.value, reason=reason)
        # Before the answer: the number of continuations is the bound of them.
        self._desk.note(form.call_sid, StreamAsked(follows.value, history.ended))
        agent = history.agent or desk.plans.choose(form.get("To"))
        return self._follow(form, follows, agent, leads_back=history.leads_back)

    def _follow(self, form: TwilioForm, follows: Continuation, agent: str, *, leads_back: bool) -> Response:
        match follows:
            case Continuation.RESUME:
                return self._connect(form, agent, continues=True)
            case Continuation.FALL_BACK:
                self._desk.release(form.call_sid)
                return twiml_response(fall_back(self._desk, form, leads_back=leads_back))
            case Continuation.SAY_GOODBYE:
                self._desk.release(form.call_sid)
                return twiml_response(twiml.goodbye(words(self._settings, "goodbye")))
            case Continuation.HANG_UP:
                self._desk.release(form.call_sid)
                return twiml_response(twiml.hang_up())
            case _:
                assert_never(follows)

    def _connect(self, form: TwilioForm, agent: str, *, continues: bool) -> Response:
        """The TwiML of a stream, while whose socket is being connected the model is dialled."""
        desk, caller, called = self._desk, form.get("From"), form.get("To")
        desk.drain.stream_promised()
        if self._settings.predial:
            desk.waiting.predial(form.call_sid, desk.plans.plan(agent).model)
        claim = StreamClaim(form.call_sid, form.account_sid, caller, called, continues, agent)
        return twiml_response(
            connect.answer(
                stream_url=self._settings.stream_url,
                action_url=self._settings.action_url,
                stream_status_url=self._settings.stream_status_url,
                token=desk.tokens.issue(claim, desk.wall_now()),
                caller=caller,
                called=called,
                fallback=last_resort(self._desk, form),
            )
        )
