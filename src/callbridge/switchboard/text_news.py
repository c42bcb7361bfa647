"""What Twilio tells of texts: which news of one count, and what a caller's own text means. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from callbridge.call.outcomes import TextOutcome
from callbridge.call.telephone_facts import TextAsked, TextTold
from callbridge.state.text_notes import NoteKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from callbridge.call.facts import Fact

_STOP: Final = frozenset({"STOP", "UNSUBSCRIBE", "END", "QUIT", "STOPALL", "REVOKE", "OPTOUT", "CANCEL"})
_START: Final = frozenset({"START", "YES", "UNSTOP"})
_HELP: Final = frozenset({"HELP", "INFO"})
"""Words that Twilio answers itself, on numbers with its default handling of them."""

_ANSWERS: Final = frozenset({"YES", "CANCEL", "END", "QUIT"})
"""Those of them that people say for other reasons, too."""

_STEPS: Final = {TextOutcome.UNKNOWN: 1, TextOutcome.ACCEPTED: 2}
_FINAL: Final = 3


def asked(known: Iterable[Fact]) -> list[str]:
    """The texts that were begun in a call, by name."""
    return [fact.text_id for fact in known if isinstance(fact, TextAsked)]


def is_news(known: Sequence[Fact], told: TextTold) -> bool:
    """Whether this says more of a text of the call than is known. From what is final nothing leads back."""
    before = [fact for fact in known if isinstance(fact, TextTold) and fact.text_id == told.text_id]
    reached = max((_STEPS.get(fact.outcome, _FINAL) for fact in before), default=0)
    return told.text_id in asked(known) and _STEPS.get(told.outcome, _FINAL) > reached


def with_length(known: Sequence[Fact], told: TextTold) -> TextTold | None:
    """What is known of a text, with how long it is, where Twilio's report was here before its answer.

    Only the answer to the request says the length, and a text is billed by it.
    """
    before = [fact for fact in known if isinstance(fact, TextTold) and fact.text_id == told.text_id]
    if not before or not told.segments or any(fact.segments for fact in before):
        return None
    return replace(told, outcome=before[-1].outcome, code=before[-1].code)


def wish_in(form: Mapping[str, str]) -> NoteKind | None:
    """Whether a text that somebody has sent says that they want no texts, or want some again.

    `OptOutType` stands there only with Twilio's Advanced Opt-Out, whose words the account may choose.
    """
    word = form.get("OptOutType", "").upper() or _word_of(form)
    if word in _STOP:
        return NoteKind.STOPPED
    return NoteKind.STARTED if word in _START else None


def is_for_an_agent(form: Mapping[str, str]) -> bool:
    """Whether a text is for an agent, also if it is a wish: "yes" and "cancel" are answers as well."""
    word = _word_of(form)
    return word in _ANSWERS or not (word in _HELP or form.get("OptOutType") or wish_in(form))


def _word_of(form: Mapping[str, str]) -> str:
    return form.get("Body", "").strip().upper()
