"""Texts of all calls of a process: sent once at the most, within a day's limits, and told of as news come.

What is counted and wished is kept by the key of a caller: no number is. That a text begins is on disk before
it does, so no crash lets another process send it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn
from urllib.parse import urlencode

import structlog

from callbridge.agents.outside import TextResult
from callbridge.agents.texting.in_call import TEXTS_MAX
from callbridge.agents.texting.texts import E164, clean
from callbridge.call.outcomes import TextOutcome
from callbridge.call.telephone_facts import TextAsked, TextTold
from callbridge.observe.redaction import masked_number
from callbridge.server.process.within import within
from callbridge.state.text_notes import SENT_KEPT_S, WORDS_MAX, NoteKind, TextNote
from callbridge.switchboard.continuation import read_facts
from callbridge.switchboard.text_news import asked, is_for_an_agent, is_news, wish_in, with_length
from callbridge.telephony.rest.fault import RestFault
from callbridge.telephony.rest.outcomes import text_outcome, text_outcome_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callbridge.agents.in_call import AgentInCall
    from callbridge.agents.mcp.connections import Connections
    from callbridge.agents.outside import OutgoingText
    from callbridge.server.process.desk import Desk

DISK_S: Final = 2.0
"""How long the disk is waited for, in all. The caller hears a sound meanwhile."""

OPTED_OUT: Final = "21610"
"""Twilio's code for who wants no texts."""

READ_S: Final = 0.5
"""The same where Twilio waits for an answer."""

WATCH_EVERY_S: Final = 2.0
"""How often the state is asked for what other processes were told. A read takes a millisecond."""

REPEATED_S: Final = 24 * 3600.0
"""So long the same text that comes again is known: Twilio repeats what was not answered."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class CallOutside:
    """What is outside of one call (`agents.outside.Outside`)."""

    texting: Texting
    call_sid: str
    caller: str
    called: str
    shelf: str
    """Whose call it is: that agent is told of an answer."""

    @property
    def mcp(self) -> Connections:
        """Those of the process."""
        return self.texting.mcp

    async def send_text(self, text: OutgoingText) -> TextResult:
        """Sends it, once at the most."""
        return await self.texting.send(self, text)


@dataclass(frozen=True, slots=True)
class _Refused(Exception):  # noqa: N818  # What is refused is no error of the program.
    result: TextResult


class Texting:
    """The texts of one process.

    Args:
        desk: what it works with.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk, self.mcp = desk, desk.mcp
        self._counting = asyncio.Lock()
        """Between looking at a limit and noting what counts nobody else looks."""
        self._awaiting: set[str] = set()
        """Calls whose agents may yet be told something of a text."""
        self._is_awaited = asyncio.Event()
        self._talking: dict[str, tuple[str, AgentInCall]] = {}
        """Those who can be told at once, with the keys of their callers, by CallSid."""

    # --- Sending ---

    async def send(self, call: CallOutside, text: OutgoingText) -> TextResult:
        """Sends a text of this call, unless something is against it."""
        log = _log.bind(call_sid=call.call_sid, text_id=text.text_id, to=masked_number(text.to))
        try:
            sender = await self._may_be_sent(call, text)
        except _Refused as refused:
            result = refused.result
            log.warning("text_refused", outcome=result.outcome.value, reason=result.why)
            return result
        self._await_news(call.call_sid)
        result = await self._post(call, text, sender)
        if result.code == OPTED_OUT:
            self._note(self._key(text.to), NoteKind.STOPPED)
        priced_as = self._desk.prices.text(text.to)
        told = TextTold(
            text.text_id, result.outcome, result.message_sid, result.code, result.segments, priced_as
        )
        await self._note_told(call.call_sid, told)
        fields = {"outcome": result.outcome.value, "characters": len(text.words), "template": text.template}
        if result.outcome is TextOutcome.ACCEPTED:
            log.info("text_sent", **fields, message_sid=result.message_sid)
        else:
            log.warning("text_not_sent", **fields, code=result.code, reason=result.why)
        return result

    async def _may_be_sent(self, call: CallOutside, text: OutgoingText) -> str:
        """From which number. That it begins is noted, and on disk.

        Raises:
            _Refused: it is not sent.
        """
        sender, is_begun = self._sender(call), False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISK_S):
                async with self._counting:
                    await self._refuse_beyond_limits(call, text)
                    self._note_begun(call, text)
                    is_begun = True
                if await self._desk.state.flush():
                    return sender
        if not is_begun:
            raise _refused("what was sent today could not be read; try again in a moment")
        self._desk.note(call.call_sid, TextTold(text.text_id, TextOutcome.REFUSED))
        raise _refused("it could not be written down first; try again in a moment")

    def _sender(self, call: CallOutside) -> str:
        if self._desk.rest is None:
            raise _refused("this service may not send texts (CALLBRIDGE_TWILIO_REST)")
        sender = self._desk.settings.text_from or call.called
        if not (sender.startswith("MG") or E164.fullmatch(sender)):
            raise _refused("there is no number to send it from (CALLBRIDGE_TEXT_FROM)")
        return sender

    async def _refuse_beyond_limits(self, call: CallOutside, text: OutgoingText) -> None:
        desk, settings = self._desk, self._desk.settings
        # Not by `known`, which answers with nothing when the disk is slow: here nothing known is no leave.
        begun = asked(fact for _, fact in read_facts(await desk.state.events(call.call_sid)))
        if len(begun) >= TEXTS_MAX:
            raise _refused(f"{TEXTS_MAX} texts were sent in this call already")
        since = desk.wall_now() - SENT_KEPT_S
        for key in self._keys(call, text):
            notes = await desk.state.texts(key, since)
            if key == self._key(text.to) and _wants_none(notes):
                raise _Refused(TextResult(TextOutcome.OPTED_OUT, code=OPTED_OUT, why="they have opted out"))
            if _sent(notes) >= settings.texts_per_caller_day:
                raise _refused("as many texts as may go to one caller in a day were sent to them")
        if _sent(await desk.state.texts("", since)) >= settings.texts_per_day:
            raise _refused("as many texts as may be sent in a day were sent (CALLBRIDGE_TEXTS_PER_DAY)")

    def _keys(self, call: CallOutside, text: OutgoingText) -> set[str]:
        """Whose texts are counted: a caller may name a number of somebody else."""
        return {key for number in (call.caller, text.to) if (key := self._key(number))}

    def _note_begun(self, call: CallOutside, text: OutgoingText) -> None:
        for key in self._keys(call, text):
            self._note(key, NoteKind.SENT, call.shelf)
        self._note("", NoteKind.SENT)
        self._desk.note(call.call_sid, TextAsked(text.text_id, text.template))

    async def _post(self, call: CallOutside, text: OutgoingText, sender: str) -> TextResult:
        rest = self._desk.rest
        assert rest is not None, "that was looked at"
        query = urlencode({"call": call.call_sid, "text": text.text_id})
        status_url = f"{self._desk.settings.text_status_url}?{query}"
        try:
            sent = await rest.send_message(text.to, sender, text.words, status_url)
        except RestFault as fault:
            code = str(fault.code) if fault.code else ""
            return TextResult(text_outcome_of(fault), code=code, why=fault.message)
        return TextResult(TextOutcome.ACCEPTED, sent.sid, segments=sent.segments)

    # --- What Twilio tells of one ---

    async def reported(self, call_sid: str, text_id: str, form: Mapping[str, str]) -> None:
        """The status of a text of this call; may come twice, late, and in any order."""
        code, status = form.get("ErrorCode", ""), form.get("MessageStatus", "")
        outcome = text_outcome(code, status)
        told = TextTold(text_id, outcome, form.get("MessageSid", ""), code)
        if outcome is TextOutcome.UNKNOWN or not await self._note_told(call_sid, told):
            return
        write = _log.info if outcome in {TextOutcome.ACCEPTED, TextOutcome.DELIVERED} else _log.warning
        write("text_status", call_sid=call_sid, text_id=text_id, status=status, code=code)
        if code == OPTED_OUT and (key := self._key(form.get("To", ""))):
            self._note(key, NoteKind.STOPPED)
        if (talking := self._talking.get(call_sid)) is not None:
            talking[1].texts.news(told)

    async def _note_told(self, call_sid: str, told: TextTold) -> bool:
        """Notes what became of a text. Whether it was news."""
        desk = self._desk
        async with desk.one_by_one.of(call_sid):
            known = [fact for _, fact in await desk.known(call_sid)]
            is_new = is_news(known, told)
            noted = told if is_new else with_length(known, told)
            if noted is not None:
                desk.note(call_sid, noted)
            return is_new

    def _await_news(self, call_sid: str) -> None:
        talking = self._talking.get(call_sid)
        if talking is not None and talking[1].texts.awaits_news:
            self._awaiting.add(call_sid)
            self._is_awaited.set()

    async def watch_forever(self) -> NoReturn:
        """News that another process was told: it has noted them in the state that both share."""
        while True:
            await self._is_awaited.wait()
            await asyncio.sleep(WATCH_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Tells the agents what is noted by now of their texts."""
        for call_sid in tuple(self._awaiting):
            talking = self._talking.get(call_sid)
            if talking is not None and talking[1].texts.awaits_news:
                known = (fact for _, fact in await self._desk.known(call_sid))
                latest = {fact.text_id: fact for fact in known if isinstance(fact, TextTold)}
                for told in latest.values():
                    talking[1].texts.news(told)
            else:
                self._awaiting.discard(call_sid)
        if not self._awaiting:
            self._is_awaited.clear()

    # --- What callers send ---

    def begins(self, call: CallOutside, agent: AgentInCall) -> None:
        """This agent can be told at once."""
        self._talking[call.call_sid] = self._key(call.caller), agent
        self._await_news(call.call_sid)

    def ended(self, call_sid: str, agent: AgentInCall | None) -> None:
        """It cannot any more. Does nothing when another stream of the call is on."""
        if call_sid in self._talking and self._talking[call_sid][1] is agent:
            del self._talking[call_sid]

    async def came(self, form: Mapping[str, str]) -> None:
        """Somebody has sent a text to a number of ours."""
        desk, sender = self._desk, form.get("From", "")
        digest = hashlib.sha256(f"text {form['MessageSid']}".encode("utf-8", "replace")).digest()
        if not await desk.is_first_use(digest, desk.wall_now() + REPEATED_S):
            return
        key, wish = self._key(sender), wish_in(form)
        words = _words_of(form)
        live = [agent for whose, agent in self._talking.values() if key and whose == key]
        log = _log.bind(sender=masked_number(sender), characters=len(words), wish=wish and wish.value)
        log.info("text_came", live_calls=len(live))
        if wish is not None:
            self._note(key, wish)
        if words and is_for_an_agent(form):
            for agent in live:
                agent.texts.came(words)
            await self._keep(key, sender, words)

    async def _keep(self, key: str, sender: str, words: str) -> None:
        """For the agent of their next call, where callers are remembered: the one that had sent a text."""
        desk = self._desk
        if key and desk.recalling.key(sender) is not None:
            notes = await within(READ_S, desk.state.texts(key, 0.0)) or ()
            sent = [note for note in notes if note.kind is NoteKind.SENT]
            self._note(key, NoteKind.REPLY, sent[-1].shelf if sent else "", words)

    # --- Notes ---

    def _key(self, number: str) -> str:
        return self._desk.remembered_key(number)

    def _note(self, key: str, kind: NoteKind, shelf: str = "", words: str = "") -> None:
        if key or kind is NoteKind.SENT:
            self._desk.state.note_text(TextNote(key, self._desk.wall_now(), kind, shelf, words))


def _refused(why: str) -> _Refused:
    return _Refused(TextResult(TextOutcome.REFUSED, why=why))


def _wants_none(notes: Iterable[TextNote]) -> bool:
    return any(note.kind is NoteKind.STOPPED for note in notes)


def _sent(notes: Iterable[TextNote]) -> int:
    return sum(note.kind is NoteKind.SENT for note in notes)


def _words_of(form: Mapping[str, str]) -> str:
    """What a text says, bounded; of a picture that it was one."""
    words = clean(form.get("Body", ""))[:WORDS_MAX]
    media = form.get("NumMedia", "0")
    if media.isascii() and media.isdigit() and int(media):
        words = f"{words[: WORDS_MAX - 40]} [with a picture or file, not kept]".strip()
    return words
