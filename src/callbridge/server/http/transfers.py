"""The webhooks of a transfer: of the caller who hears it ring or waits in a room, and of the person.

Each notes what it has learnt under the caller's CallSid, which stands in its address together with the name
of the transfer; Twilio signs the address. Who is rung for a caller who is gone is told so, and hung up on.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Final

import structlog

from callbridge.agents.languages.texts import language_texts
from callbridge.call import telephone_facts as t
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.wishes import PutThrough
from callbridge.server.config import addresses, say
from callbridge.server.http.fallback import ends_of
from callbridge.server.http.forms import Forms, TwilioForm, twilio_routes, twiml_response
from callbridge.server.process.people import transfers_of
from callbridge.switchboard import putting_through
from callbridge.switchboard.continuation import CALL_OVER
from callbridge.switchboard.transfer import JOIN_WITHIN_S, forgotten
from callbridge.telephony import transfer, twiml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import APIRouter, Request
    from fastapi.responses import Response

    from callbridge.call.wishes import Following
    from callbridge.server.process.desk import Desk
    from callbridge.switchboard.continuation import CallHistory
    from callbridge.switchboard.questions import Question
    from callbridge.switchboard.transfer import TransferSoFar
    from callbridge.telephony.twiml import Words

_ROUND: Final = re.compile(r"[0-9]{1,3}", re.ASCII)
_URL_ROUND: Final = re.compile(r"&round=[^&]*")

ROUNDS_WORDLESS: Final = 3
"""Who waits hears some words in every third round of a second: a silent line is hung up."""

LOOK_EVERY_S: Final = 0.1
LOOKS: Final = 20
"""Twilio tells of a call and asks what follows its `<Dial>` in any order; by then both have come."""

_log = structlog.get_logger()


class Transfers:
    """What a transfer means for the caller's own documents."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def note_end(self, form: TwilioForm, question: Question) -> None:
        """The ringing, the talk or the room is over: what it has come to is written down, once."""
        desk = self._desk
        async with desk.one_by_one.of(form.call_sid):
            transfers = await transfers_of(desk.state, form.call_sid)
            # Twilio has signed the address: there was one, whatever is left of it here.
            so_far = transfers.get(question.transfer) or forgotten(question.transfer, desk.wall_now())
            if so_far.ended is not None or not question.transfer:
                return
            desk.rings.ended(form.call_sid)
            status = form.get("CallStatus")
            if so_far.caller_joins:
                outcome = so_far.outcome_of_room(status, form.get("DialCallStatus"))
            else:
                dialled = form.get("DialCallStatus")
                outcome = so_far.outcome_of_dial(dialled, form.get("DialBridged"), status)
            self._note_outcome(form.call_sid, so_far, outcome, form.get("DialCallStatus")[:20])
        if outcome is not TransferOutcome.CONNECTED:
            desk.people.let_go(form.call_sid)

    async def caller_is_gone(self, call_sid: str) -> None:
        """The call is over. What nobody has told of a transfer soon is told here, before it is forgotten."""
        desk = self._desk
        desk.people.let_go(call_sid)
        for _ in range(LOOKS):
            if not await self._open(call_sid):
                return
            await asyncio.sleep(LOOK_EVERY_S)
        async with desk.one_by_one.of(call_sid):
            for so_far in await self._open(call_sid):
                self._note_outcome(call_sid, so_far, so_far.outcome_of_room("completed"), "nobody told")

    async def _open(self, call_sid: str) -> list[TransferSoFar]:
        transfers = await transfers_of(self._desk.state, call_sid)
        return [so_far for so_far in transfers.values() if so_far.ended is None]

    def follows(self, history: CallHistory, transfers: Mapping[str, TransferSoFar]) -> Following | None:
        """What is to follow the latest stream. One that broke off may lead to a person all the same."""
        if history.ended is not None:
            return history.follows
        now = self._desk.wall_now()
        found = [name for name, so_far in transfers.items() if so_far.brings_both_together(now)]
        return PutThrough(found[-1]) if found else None

    def give_up(self, call_sid: str, transfers: Mapping[str, TransferSoFar]) -> None:
        """The caller goes on without the person: whoever asked for them is gone. Their agent is to know."""
        for so_far in transfers.values():
            if so_far.is_wanted:
                outcome = so_far.outcome(self._desk.wall_now())
                if outcome in {None, TransferOutcome.CONNECTED}:
                    outcome = TransferOutcome.CARRIER_FAULT
                self._note_outcome(call_sid, so_far, outcome, "its process is gone")
        self._desk.people.let_go(call_sid)

    def _note_outcome(
        self, call_sid: str, so_far: TransferSoFar, outcome: TransferOutcome, detail: str
    ) -> None:
        desk, taken_at = self._desk, so_far.decided_at or so_far.picked_up_at
        is_taken = outcome is TransferOutcome.CONNECTED and taken_at is not None
        until = taken_at if is_taken and taken_at is not None else desk.wall_now()
        waited_ms = max(0, round((until - so_far.asked_at) * 1000))
        name = so_far.asked.transfer.name
        ended = t.TransferEnded(so_far.asked.transfer_id, name, outcome, waited_ms, detail)
        desk.note(call_sid, ended)
        _log.info(
            "transfer_ended",
            call_sid=call_sid,
            name=name,
            outcome=outcome.value,
            waited_ms=waited_ms,
            detail=detail,
        )

    def before(
        self, form: TwilioForm, follows: Following | None, transfers: Mapping[str, TransferSoFar]
    ) -> TransferOutcome | None:
        """What became of the transfer that follows a stream, as far as it is known before anybody is rung."""
        if not isinstance(follows, PutThrough) or (so_far := transfers.get(follows.transfer_id)) is None:
            return None
        if so_far.ended is not None:
            return so_far.ended.outcome
        found = None
        if form.get("CallStatus") in CALL_OVER:
            found = so_far.outcome_of_room(form.get("CallStatus"))
        elif so_far.asked.is_held and so_far.takes_it:
            found = TransferOutcome.DECLINED if so_far.is_person_gone else None
        elif self._desk.rings_in_a_circle(form.call_sid, form.get("From")) or not isinstance(
            self._shown(form, so_far), str
        ):
            found = TransferOutcome.UNREACHABLE
        if found is not None:
            self._note_outcome(form.call_sid, so_far, found, "before it rang")
        return found

    def _shown(self, form: TwilioForm, so_far: TransferSoFar) -> str | putting_through.NotPutThrough:
        """Whose number is shown, nothing for the caller's own; or why nobody is rung. Always the same."""
        ends, own = ends_of(self._desk, form), self._desk.settings.fallback_caller_id or ""
        found = putting_through.put_through(ends, so_far.asked.transfer.address, own)
        if not isinstance(found, putting_through.PutThrough):
            return found
        shows_line = so_far.asked.transfer.shows == "line"
        return putting_through.line_number(ends, own) if shows_line else found.caller_id

    def document(self, form: TwilioForm, question: Question, so_far: TransferSoFar) -> str:
        """What the caller hears of it: the room in which the person will be, or that it rings.

        A repetition is told the same; once it is over there is nobody to be led to.
        """
        desk, asked = self._desk, so_far.asked
        if so_far.ended is not None or so_far.is_forgotten:
            return twiml.hang_up()
        ended_url = f"{desk.settings.transfer_ended_url}?{question.behind(asked.transfer_id).query}"
        if asked.is_held and so_far.takes_it:
            if not so_far.caller_joins:
                desk.note(form.call_sid, t.CallerJoined(asked.transfer_id))
                desk.people.has_news(form.call_sid)
            return transfer.meet(
                room_of(desk, form.call_sid, asked.transfer_id),
                label="caller",
                is_first=True,
                ended_url=ended_url,
                wait_url=self._url(addresses.ROOM_WAIT_PATH, form.call_sid, asked.transfer_id)
                + f"&stream={question.stream}",
                status_url=self._url(addresses.ROOM_STATUS_PATH, form.call_sid, asked.transfer_id),
            )
        shown = self._shown(form, so_far)
        desk.rings.began(form.call_sid, desk.caller_key(form.get("From")), desk.now())
        briefing_url = self._url(addresses.BRIEFING_PATH, form.call_sid, asked.transfer_id)
        return transfer.ring(
            asked.transfer.address,
            ring_s=asked.transfer.ring_s,
            # Looked at before; another process may have other settings, and Twilio refuses what cannot be.
            caller_id=shown if isinstance(shown, str) else "",
            extension=asked.transfer.extension,
            briefing_url=briefing_url if asked.transfer.is_asked or asked.transfer.is_warm else "",
            status_url=self._url(addresses.PERSON_STATUS_PATH, form.call_sid, asked.transfer_id),
            ended_url=ended_url,
        )

    def _url(self, path: str, call_sid: str, transfer_id: str) -> str:
        return self._desk.settings.transfer_url(path, call_sid, transfer_id)


def room_of(desk: Desk, call_sid: str, transfer_id: str) -> str:
    """The name of the room of a transfer: the same in every process, and nobody can guess it."""
    secret = desk.settings.own_secret.encode()
    return hmac.new(secret, f"room {call_sid} {transfer_id}".encode(), hashlib.sha256).hexdigest()[:32]


def transfer_router(desk: Desk) -> APIRouter:
    """The routes of the person's side, and of the room."""
    person = _Person(desk)
    return twilio_routes(
        {
            addresses.BRIEFING_PATH: person.briefing,
            addresses.BRIEFING_KEY_PATH: person.briefing_key,
            addresses.PERSON_WAITS_PATH: person.waits,
            addresses.PERSON_STATUS_PATH: person.status,
            addresses.ROOM_WAIT_PATH: person.room_wait,
            addresses.ROOM_STATUS_PATH: person.room_status,
        }
    )


class _Person:
    """The endpoints."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._forms = Forms(desk)

    async def briefing(self, request: Request) -> Response:
        """Somebody has answered: they hear why they are rung, and are asked."""
        form = await self._forms.read(request)
        so_far = await self._so_far(request)
        if so_far is None or not so_far.is_wanted:
            return self._gone(so_far)
        await self._note_person(so_far, form)
        await self._note(so_far, t.PersonAnswered(so_far.asked.transfer_id))
        briefing = self._said(so_far, so_far.asked.transfer.briefing)
        question = self._shipped(so_far, "take_the_call")
        return twiml_response(
            transfer.ask(briefing, question, key_url=self._url(addresses.BRIEFING_KEY_PATH, so_far))
        )

    async def briefing_key(self, request: Request) -> Response:
        """They have pressed a key, or none."""
        form = await self._forms.read(request)
        so_far = await self._so_far(request)
        if so_far is None or not so_far.is_wanted:
            return self._gone(so_far)
        keys = form.get("Digits")[:8]
        takes_it = keys == transfer.TAKES_IT
        await self._note(so_far, t.PersonDecided(so_far.asked.transfer_id, takes_it, keys))
        await self._desk.kept()
        _log.info("person_decided", call_sid=so_far.asked.call_sid, takes_it=takes_it)
        if not takes_it:
            return twiml_response(twiml.hang_up())
        if form.get("ParentCallSid"):
            return twiml_response(twiml.empty())  # Of who was rung by `<Dial>`: it connects the two.
        connecting = self._shipped(so_far, "connecting")
        return twiml_response(transfer.wait(connecting, next_url=self._waits_url(so_far, 1)))

    async def waits(self, request: Request) -> Response:
        """They have taken the call: they wait for the caller to come, and then go to the room."""
        await self._forms.read(request)
        so_far = await self._so_far(request)
        asked_before = _round(request)
        is_late = asked_before > JOIN_WITHIN_S
        if so_far is None or not so_far.is_wanted or (is_late and not so_far.caller_joins):
            return self._gone(so_far)
        if not so_far.caller_joins:
            is_wordless = asked_before % ROUNDS_WORDLESS
            said = twiml.Words("") if is_wordless else self._shipped(so_far, "connecting")
            return twiml_response(transfer.wait(said, next_url=self._waits_url(so_far, asked_before + 1)))
        asked = so_far.asked
        await self._note(so_far, t.PersonJoined(asked.transfer_id))
        return twiml_response(
            transfer.meet(
                room_of(self._desk, asked.call_sid, asked.transfer_id),
                label="person",
                is_first=False,
                wait_url=self._url(addresses.ROOM_WAIT_PATH, so_far),
                # The first who comes decides what is told of a room, and that may be either.
                status_url=self._url(addresses.ROOM_STATUS_PATH, so_far),
            )
        )

    async def status(self, request: Request) -> Response:
        """How Twilio saw the call to the person go on."""
        form = await self._forms.read(request)
        if (so_far := await self._so_far(request)) is not None:
            await self._note_person(so_far, form)
            reported = t.PersonReported(
                so_far.asked.transfer_id,
                form.get("CallStatus")[:20],
                form.get("SipResponseCode")[:8],
                form.get("CallDuration")[:8],
                self._desk.prices.outbound(so_far.asked.transfer.address),
            )
            await self._note(so_far, reported)
            if not so_far.is_wanted:
                self._desk.people.let_go(so_far.asked.call_sid)
        return twiml_response(twiml.empty())

    async def room_wait(self, request: Request) -> Response:
        """Somebody is alone in the room. If nobody comes any more, the agent has the caller back.

        No document of this kind can hang up, so a person is hung up on over REST.
        """
        form, number = await self._forms.read(request), _round(request)
        call_sid, now = request.query_params.get("call", "")[:64], self._desk.wall_now()
        so_far = await self._so_far(request)
        is_caller = form.call_sid == call_sid
        if so_far is None or not is_caller:
            if so_far is None or not so_far.is_wanted or (so_far.is_late(now) and not so_far.have_met):
                self._desk.people.hang_up_on(call_sid, form.call_sid)
        elif so_far.is_wanted and so_far.is_to_go_back(now):
            await self._note(so_far, t.CallerLedBack(so_far.asked.transfer_id))
            self._desk.people.bring_back(call_sid, self._back_url(request, so_far))
        said = self._shipped(so_far, "connecting") if number % ROUNDS_WORDLESS == 0 else twiml.Words("")
        here = _URL_ROUND.sub("", str(request.url.query))
        next_url = f"{self._desk.settings.public_base_url}{addresses.ROOM_WAIT_PATH}?{here}"
        return twiml_response(transfer.wait(said, next_url=f"{next_url}&round={number + 1}"))

    def _back_url(self, request: Request, so_far: TransferSoFar) -> str:
        stream = request.query_params.get("stream", "")[:8]
        url = self._desk.settings.transfer_ended_url
        return f"{url}?stream={stream}&transfer={so_far.asked.transfer_id}"

    async def room_status(self, request: Request) -> Response:
        """What Twilio saw of the room."""
        fields = await self._forms.read_any(request)
        if (so_far := await self._so_far(request)) is not None:
            event = fields.get("StatusCallbackEvent", "")[:40]
            room_sid, who = fields.get("ConferenceSid", "")[:64], fields.get("ParticipantLabel", "")[:16]
            await self._note(so_far, t.RoomReported(so_far.asked.transfer_id, event, room_sid, who))
        return twiml_response(twiml.empty())

    # --- Facts ---

    async def _so_far(self, request: Request) -> TransferSoFar | None:
        """The transfer of an address, as far as it is known."""
        call_sid = request.query_params.get("call", "")[:64]
        transfers = await transfers_of(self._desk.state, call_sid)
        return transfers.get(request.query_params.get("transfer", "")[:64])

    async def _note_person(self, so_far: TransferSoFar, form: TwilioForm) -> None:
        """The call to the person has a name. The answer to the request that made it may have been lost."""
        if so_far.asked.is_held and not so_far.person_sid and not form.get("ParentCallSid"):
            await self._note(so_far, t.PersonRung(so_far.asked.transfer_id, form.call_sid))

    async def _note(self, so_far: TransferSoFar, fact: t.TelephoneFact) -> None:
        call_sid = so_far.asked.call_sid
        await self._desk.note_once(call_sid, fact)
        self._desk.people.has_news(call_sid)

    # --- Words and addresses ---

    def _gone(self, so_far: TransferSoFar | None) -> Response:
        """There is no caller any more."""
        return twiml_response(twiml.goodbye(self._shipped(so_far, "caller_has_gone")))

    def _said(self, so_far: TransferSoFar | None, text: str) -> Words:
        return say.said_to_a_person(self._desk.settings, self._language(so_far), text)

    def _shipped(self, so_far: TransferSoFar | None, name: str) -> Words:
        return self._said(so_far, getattr(language_texts(self._language(so_far)), name))

    def _language(self, so_far: TransferSoFar | None) -> str | None:
        """Theirs. Of a call that is over it is not known any more."""
        theirs = so_far.asked.transfer.language if so_far is not None else ""
        return theirs or self._desk.settings.language

    def _url(self, path: str, so_far: TransferSoFar) -> str:
        asked = so_far.asked
        return self._desk.settings.transfer_url(path, asked.call_sid, asked.transfer_id)

    def _waits_url(self, so_far: TransferSoFar, number: int) -> str:
        return self._url(addresses.PERSON_WAITS_PATH, so_far) + f"&round={number}"


def _round(request: Request) -> int:
    text = request.query_params.get("round", "")
    return int(text) if _ROUND.fullmatch(text) else 0
