"""What happens in live calls, as lines for a terminal: what is said as it comes, and what else is news."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from callbridge.call import facts
from callbridge.call.memory import ToolStarted
from callbridge.cli.calls.in_words import quoted, short
from callbridge.observe.feed import FeedEnded, LiveFact, LiveWords, ProcessLeaves
from callbridge.observe.redaction import escaped
from callbridge.records.happenings import happening_of
from callbridge.records.in_words import counted, length

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.call.facts import Fact
    from callbridge.observe.feed import FeedItem

_SENTENCE_ENDS: Final = (".", "?", "!", "…", "\N{IDEOGRAPHIC FULL STOP}", "\N{FULLWIDTH QUESTION MARK}")
_PIECE_MAX: Final = 100
"""Characters after which words are shown though no sentence ends."""

STYLES: Final = {"caller": "cyan", "agent": "green", "tool": "magenta", "": "yellow"}
"""By who it is that does something; the service itself has no name."""


class Line(NamedTuple):
    """One line."""

    at: float
    call_sid: str
    who: str
    """`caller`, `agent`, `tool`, or nobody of them."""
    text: str


class LiveLines:
    """Makes lines of events. Pieces of words are collected until a sentence ends."""

    def __init__(self) -> None:
        self._pieces: dict[tuple[str, str], Line] = {}
        """What somebody is about to say, by call and speaker."""
        self._told: set[tuple[str, str]] = set()
        """Whose words of the present turn were shown as they came."""

    def of(self, event: FeedItem) -> Iterator[Line]:
        """The lines that are due now."""
        match event:
            case LiveWords():
                yield from self._said(event)
            case LiveFact(fact=fact):
                line = self._line(event.at, fact)
                if line is not None:
                    yield from self._rest(fact.call_sid)
                    yield line
                if isinstance(fact, facts.TurnEnded):
                    self._told -= {(fact.call_sid, "caller"), (fact.call_sid, "agent")}
            case ProcessLeaves():
                pass  # Who follows its successor says so.
            case FeedEnded(why="stopped"):
                yield Line(event.at, "", "", "the service stops")
            case FeedEnded(why="replaced"):
                yield Line(event.at, "", "", "a worker that was replaced has ended")
            case FeedEnded():
                yield Line(event.at, "", "", "too much came at once, and the rest is lost: follow again")

    def _said(self, said: LiveWords) -> Iterator[Line]:
        place, other = (said.call_sid, said.by), "caller" if said.by == "agent" else "agent"
        if (held := self._pieces.pop((said.call_sid, other), None)) is not None:
            yield _whole(held)
        held = self._pieces.pop(place, None)
        line = Line(said.at, said.call_sid, said.by, "") if held is None else held
        line = line._replace(text=line.text + said.words)
        self._told.add(place)
        if line.text.rstrip().endswith(_SENTENCE_ENDS) or len(line.text) >= _PIECE_MAX:
            yield _whole(line)
        else:
            self._pieces[place] = line

    def _rest(self, call_sid: str) -> Iterator[Line]:
        """What was begun, before something else is told."""
        for by in ("caller", "agent"):
            if (held := self._pieces.pop((call_sid, by), None)) is not None:
                yield _whole(held)

    def _line(self, at: float, fact: Fact) -> Line | None:
        if isinstance(fact, facts.TurnEnded):
            return Line(at, fact.call_sid, "", self._turn(fact))
        if (done := _tool(fact)) is not None:
            return Line(at, fact.call_sid, "tool", done)
        if (words := _in_words(fact)) is not None:
            return Line(at, fact.call_sid, "", words)
        return None

    def _turn(self, turn: facts.TurnEnded) -> str:
        """What is known at its end. Words that were not shown stand in it, and what was heard of cut ones."""
        said = []
        if turn.response_ms is not None:
            said.append(f"answered after {turn.response_ms:,} ms")
        if turn.caller and (turn.call_sid, "caller") not in self._told:
            said.append(f"caller {quoted(turn.caller)}")
        if turn.interrupted:
            said.append(f"interrupted; heard {quoted(turn.agent)}" if turn.agent else "interrupted")
        elif turn.agent and (turn.call_sid, "agent") not in self._told:
            said.append(f"agent {quoted(turn.agent)}")
        return f"turn {turn.turn} {', '.join(said) or 'is over'}"


def _whole(line: Line) -> Line:
    return line._replace(text=quoted(line.text.strip()))


def _tool(fact: Fact) -> str | None:
    match fact:
        case facts.Remembered(ToolStarted(name=name, arguments=arguments)):
            return f"{escaped(name)}({short(arguments)}) …"
        case facts.ToolUsed():
            outcome = fact.outcome.value.replace("_", " ")
            return f"{escaped(fact.name)} {outcome} in {fact.duration_ms:,} ms"
        case _:
            return None


def _in_words(fact: Fact) -> str | None:
    match fact:
        case facts.CallOffered(declined=""):
            return f"a call from {escaped(fact.caller)} to {escaped(fact.called)}"
        case facts.StreamStarted(is_continued=False):
            agent = f", answered by {escaped(fact.agent)}" if fact.agent else ""
            return f"the stream begins: from {escaped(fact.caller)}{agent}"
        case facts.AgentReady():
            return f"{escaped(fact.model)} is ready after {fact.after_ms:,} ms"
        case facts.Interrupted(unheard_ms=unheard_ms):
            return f"the caller speaks: {length(unheard_ms)} of the answer are not heard"
        case facts.StreamEnded():
            reason = fact.reason.value.replace("_", " ")
            lasted = f"{length(fact.duration_ms)}, {counted(fact.turns, 'turn')}"
            return f"the stream has ended: {reason}, after {lasted}"
        case facts.CallOver():
            return "the call is over"
        case _:
            return _happening(fact)


def _happening(fact: Fact) -> str | None:
    happening = happening_of(fact.at_ms, fact)
    if happening is None:
        return None
    detail = ", ".join(f"{name} {short(value)}" for name, value in happening.detail.items())
    return escaped(happening.title) + (f" ({detail})" if detail else "")
