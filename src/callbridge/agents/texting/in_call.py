"""The text messages of one call: what the model may ask for, what was sent, and what is known of it.

Nothing that the model writes leads to a number: it says `caller` or `captured`, and which number that is the
facts of the call say.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.context import CallerKind
from callbridge.agents.outside import OutgoingText, TextResult
from callbridge.agents.texting import words as say
from callbridge.agents.texting.texts import (
    E164,
    SEND_TEXT,
    TEXT_MAX,
    WORDS_MAX,
    MissingValues,
    Texts,
    clean,
)
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner, ToolRefused
from callbridge.agents.transfers.addresses import AddressFault, checked_address
from callbridge.call import agent_facts, facts
from callbridge.call import telephone_facts as tf
from callbridge.call import wants as w
from callbridge.call.memory import Told
from callbridge.call.outcomes import TextOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.agents.context import About, Call
    from callbridge.agents.outside import Outside
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact

TEXTS_MAX: Final = 2
"""In a call, over all its streams."""

CAME_MAX: Final = 10
"""Texts of the caller that the model is told in a call. Each costs money, and anybody can forge a sender."""

_TIMEOUT_S: Final = 11.0
"""The disk, 8 s for Twilio's answer, and what is left."""

_OPEN: Final = frozenset({None, TextOutcome.UNKNOWN})
"""It is not known whether it was sent."""

_SENT: Final = frozenset({TextOutcome.ACCEPTED, TextOutcome.DELIVERED})


@dataclass(slots=True)
class _Sent:
    """A text that was begun."""

    what: str
    """The name of its template; empty for words of somebody's own."""
    same: tuple[str, str] | None = None
    """To whom which words; None for one of an earlier stream, of which nobody knows any more."""
    outcome: TextOutcome | None = None
    """None while nothing is known."""
    news: tf.TextTold | None = None
    """What became of it later, on a stream or in a process that is gone by now."""


class TextsInCall:
    """What an agent sends in one call.

    Args:
        texts: what the model may ask for; None where it has no such tool.
        about: what is known of the call.
        outside: who sends.
        wants: where is told what comes of a text later.
    """

    def __init__(self, texts: Texts | None, about: About, outside: Outside, wants: Wants) -> None:
        self._about, self._outside, self._wants = about, outside, wants
        self._sent: dict[str, _Sent] = {}
        """What was begun in this call, by name."""
        self._captured: dict[tuple[str, str], Any] = {}
        """What is confirmed, by form and field, in JSON forms."""
        self._told: set[str] = set()
        """What the model knows already."""
        self._came = 0
        """Texts of the caller on this stream."""
        self.serve(texts)

    def serve(self, texts: Texts | None) -> None:
        """The agent with these is on. How many are sent is counted over all agents of the call."""
        self._texts = texts
        self.tools: Sequence[GivenTool] = () if texts is None else (self._tool(texts),)
        """What the model has because of this."""

    # --- What happens ---

    def restore(self, fact: Fact) -> None:
        """Something happened on an earlier stream, or a webhook has noted it."""
        match fact:
            case tf.TextAsked(text_id, template):
                self._sent.setdefault(text_id, _Sent(template))
            case tf.TextTold(text_id, outcome) if (sent := self._sent.get(text_id)) is not None:
                sent.news = None if sent.outcome is None else fact
                sent.outcome = outcome
            case facts.Remembered(Told(_, text)):
                self._told.add(text)
            case _:
                self.told(fact)

    def told(self, fact: Fact) -> None:
        """Something has happened: a value may have been captured, confirmed or taken back."""
        match fact:
            case agent_facts.FieldKept(form, field, value, is_confirmed):
                self._captured.pop((form, field), None)
                if is_confirmed:
                    self._captured[form, field] = json.loads(value)
            case agent_facts.FieldRefused(form, field):
                self._captured.pop((form, field), None)
            case _:
                pass

    def begin(self) -> None:
        """The stream is admitted: the model is told what broke off with an earlier one, once in a call."""
        for sent in self._sent.values():
            text = say.broke_off(sent.what) if sent.outcome is None else ""
            if sent.news is not None:
                text = say.later(sent.what, sent.news)
            if text and text not in self._told:
                self._wants.add(w.AgentTells(text, is_answered=False))

    def news(self, told: tf.TextTold) -> None:
        """Twilio has told what became of a text that was sent in this call."""
        sent = self._sent.get(told.text_id)
        if sent is None or sent.outcome is told.outcome:
            return
        was_open, sent.outcome = sent.outcome in _OPEN, told.outcome
        if was_open or told.outcome is not TextOutcome.ACCEPTED:
            self._wants.add(w.AgentTells(say.later(sent.what, told), is_answered=False))

    @property
    def awaits_news(self) -> bool:
        """Whether something may yet be told of a text of this call."""
        return any(sent.outcome in _OPEN | {TextOutcome.ACCEPTED} for sent in self._sent.values())

    def came(self, words: str) -> None:
        """The caller has sent a text while they are on the line."""
        self._came += 1
        if self._came <= CAME_MAX:
            self._wants.add(w.AgentTells(say.came(words), is_callers=True))

    # --- The user's code ---

    async def send(self, words: str, template: str, to: str) -> TextOutcome:
        """See `Call.send_text`."""
        if bool(words) is bool(template):
            raise ValueError("send_text: give either words or a template")
        try:
            return (await self._send(self._outgoing(words, template, to))).outcome
        except ToolRefused as refused:
            say.log_refusal(str(refused))
            return TextOutcome.REFUSED

    # --- The tool ---

    def _tool(self, texts: Texts) -> GivenTool:
        manner = Manner(timeout_s=_TIMEOUT_S, is_irreversible=True, is_confirmed=texts.confirm)
        schema = say.schema(texts)
        return GivenTool(SEND_TEXT, say.description(texts), schema, self._answer, manner, self._judge)

    def _judge(self, arguments: dict[str, Any], _call: Call[Any]) -> None:
        self._asked_for(arguments)

    async def _answer(self, arguments: dict[str, Any], _call: Call[Any]) -> ToolResult:
        text = self._asked_for(arguments)
        return say.told(await self._send(text))

    def _asked_for(self, arguments: dict[str, Any]) -> OutgoingText:
        """What the model wants to be sent."""
        assert self._texts is not None, "the model has this tool"
        given = {name: value for name, value in arguments.items() if value not in (None, "")}
        if strange := set(given) - {"template", "words", "to"}:
            raise ToolRefused(f"there is no argument {', '.join(sorted(strange))[:100]}")
        if not all(isinstance(value, str) for value in given.values()):
            raise ToolRefused("every argument is a text")
        words, template = given.get("words", ""), given.get("template", "")
        if bool(words) is bool(template):
            raise ToolRefused("pass either a template or words")
        if words and not self._texts.words_max:
            names = ", ".join(self._texts.templates)
            raise ToolRefused(f"no words of your own can be sent; pass one of the templates: {names}")
        if template and template not in self._texts.templates:
            raise ToolRefused(f"there is no such template; the templates are: {self._names()}")
        return self._outgoing(words, template, given.get("to", "caller"))

    # --- What is sent, and to whom ---

    def _outgoing(self, words: str, template: str, to: str) -> OutgoingText:
        """A text that may be sent.

        Raises:
            ToolRefused: it may not. The text is for the model.
            ValueError: there is no such template.
        """
        number = self._number(to)
        text = self._filled(template) if template else self._own(words)
        if len(text) > TEXT_MAX:
            raise ToolRefused(f"the text has {len(text)} characters; {TEXT_MAX} can be sent")
        self._refuse_more(template, (number, text))
        return OutgoingText(f"text_{secrets.token_hex(4)}", number, text, template)

    def _number(self, to: str) -> str:
        """The number that a text goes to. Of what the model has written nothing is in it."""
        caller = self._about.caller
        if to == "caller":
            if caller.kind is not CallerKind.PHONE or not E164.fullmatch(caller.number):
                raise ToolRefused(say.NO_NUMBER)
            return _sendable(caller.number)
        field = self._texts.to_captured if self._texts is not None else ""
        if to != "captured" or not field:
            raise ToolRefused("a text can only go to: caller" + (", captured" if field else ""))
        number = self._values().get(field)
        if not isinstance(number, str) or not E164.fullmatch(number):
            raise ToolRefused(f"the caller has not given and confirmed {field} yet; ask for it first")
        return _sendable(number)

    def _filled(self, template: str) -> str:
        if self._texts is None or template not in self._texts.templates:
            raise ValueError(f"there is no template {template}; the templates are: {self._names()}")
        try:
            return self._texts.filled(template, self._values())
        except MissingValues as missing:
            raise ToolRefused(
                f"the caller has not given and confirmed {', '.join(missing.names)} yet; the template "
                f"{template} needs it"
            ) from missing

    def _own(self, words: str) -> str:
        longest = (self._texts.words_max if self._texts is not None else 0) or WORDS_MAX
        text = clean(words)
        if not text:
            raise ToolRefused("there are no words to send")
        if len(text) > longest:
            raise ToolRefused(f"the text has {len(text)} characters; write at most {longest}")
        return text

    def _refuse_more(self, template: str, same: tuple[str, str]) -> None:
        if len(self._sent) >= TEXTS_MAX:
            raise ToolRefused(f"{TEXTS_MAX} texts were sent in this call already: no more are")
        alike = [sent.outcome for sent in self._sent.values() if sent.what == template]
        if not _OPEN.isdisjoint(alike):
            raise ToolRefused(say.IN_DOUBT)
        if any(sent.same == same and sent.outcome in _SENT for sent in self._sent.values()):
            raise ToolRefused("exactly this text was sent in this call already")

    def _values(self) -> dict[str, Any]:
        """What is confirmed, by the name of its field, and by that with its form before it."""
        plain = {field: value for (_, field), value in self._captured.items()}
        return plain | {f"{form}.{field}": value for (form, field), value in self._captured.items()}

    def _names(self) -> str:
        return ", ".join(self._texts.templates if self._texts is not None else ()) or "none"

    async def _send(self, text: OutgoingText) -> TextResult:
        """Sends it. Whoever is stopped meanwhile leaves behind a text of which nothing is known."""
        self._sent[text.text_id] = sent = _Sent(text.template, (text.to, text.words))
        result = await self._outside.send_text(text)
        if result.outcome is TextOutcome.REFUSED:  # Nothing was begun.
            del self._sent[text.text_id]
        elif sent.outcome is None:  # Otherwise Twilio's news of it were faster than its answer.
            sent.outcome = result.outcome
        return result


def _sendable(number: str) -> str:
    """`number`, unless texts to it pay somebody: whoever is after that forges it as the caller's, too."""
    try:
        return checked_address(number)
    except AddressFault as fault:
        raise ToolRefused("no text goes to a short or premium-rate number; ask for another one") from fault
