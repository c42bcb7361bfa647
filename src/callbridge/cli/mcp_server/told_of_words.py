"""What an assistant is told of what was said: a transcript in pages. Pure, and bounded.

Whoever calls decides what is said, so words come as data, with a note that they are no instructions, without
control characters and without numbers that are not kept either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from callbridge.cli.mcp_server.told import NOTE, Told, more
from callbridge.observe.redaction import escaped
from callbridge.records.in_words import place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.keeping import Keeping
    from callbridge.records.story import CallStory, Turn

TURNS_MAX: Final = 25
"""On one page."""

TEXT_CHARACTERS_MAX: Final = 2_000
"""Of what was said in one piece; a turn of a minute has 1,000."""

PAGE_CHARACTERS_MAX: Final = 20_000
"""Of one page of a transcript: some 5,000 tokens. A single turn may be longer, and is a page then."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was said or done."""

    turn: int
    at: str
    """Since the beginning of the call, as 0:05.2."""
    who: Literal["caller", "agent", "tool"]
    text: str
    """What the agent said as far as it was heard."""
    was_cut: bool = False
    """The caller interrupted it."""


class Transcript(Told, frozen=True, kw_only=True):
    """What was said in a call, as data."""

    call_sid: str
    note: str
    said: list[Said]
    captured: dict[str, str]
    """Objects that the agent took down, by form, as JSON text. This and what follows: with the first page."""
    values: str
    """What the agent's code noted in `call.values`, as JSON text."""
    analysis: str
    """What a text model found in the call, as JSON text."""
    next_turn: int | None

    def lines(self) -> Iterator[str]:
        """The conversation."""
        if not (self.said or self.captured or self.values or self.analysis):
            yield f"No words of {self.call_sid} are kept from this turn on (CALLBRIDGE_KEEP_WORDS)."
            return
        yield self.note
        yield f"--- {self.call_sid}"
        for one in self.said:
            yield f"{one.at} {one.who}: {one.text}{' [interrupted]' if one.was_cut else ''}"
        for form, data in self.captured.items():
            yield f"captured {form}: {data}"
        if self.values:
            yield f"values: {self.values}"
        if self.analysis:
            yield f"analysis: {self.analysis}"
        yield "--- end of what was said"
        yield from more(self.next_turn)


def transcript(story: CallStory, first_turn: int, keeping: Keeping) -> Transcript:
    """One page of what was said. Numbers in it are masked, unless numbers are kept."""
    said: list[Said] = []
    characters, next_turn = 0, None
    for turn in story.turns:
        if turn.number < first_turn:
            continue
        found = list(_said(turn, keeping))
        size = sum(len(one.text) for one in found)
        if said and (characters + size > PAGE_CHARACTERS_MAX or turn.number >= first_turn + TURNS_MAX):
            next_turn = turn.number
            break
        said += found
        characters += size
    is_first = first_turn == 1
    captured = {form: _text(data, keeping) for form, data in story.captured.items() if data and is_first}
    return Transcript(
        call_sid=story.call_sid,
        note=NOTE,
        said=said,
        captured=captured,
        values=_text(story.values, keeping) if is_first else "",
        analysis=_text(story.analysis, keeping) if is_first else "",
        next_turn=next_turn,
    )


def _said(turn: Turn, keeping: Keeping) -> Iterator[Said]:
    """Of one turn: the caller, what was done, the agent."""
    at = place(turn.began_ms)
    if turn.caller:
        yield Said(turn=turn.number, at=at, who="caller", text=_text(turn.caller, keeping))
    if turn.keys:
        yield Said(turn=turn.number, at=at, who="caller", text=f"(pressed {_text(turn.keys, keeping)})")
    for tool in turn.tools:
        if tool.arguments or tool.result:
            told = f"{tool.name}({tool.arguments}): {tool.outcome or 'was started'}: {tool.result}"
            yield Said(turn=turn.number, at=place(tool.began_ms), who="tool", text=_text(told, keeping))
    for spoken in turn.agent:
        if spoken.heard:
            since = at if spoken.span is None else place(spoken.span.began_ms)
            text = _text(spoken.heard, keeping)
            yield Said(turn=turn.number, at=since, who="agent", text=text, was_cut=spoken.was_cut)


def _text(words: str, keeping: Keeping) -> str:
    """Words as they may leave: bounded, on one line, without what would be masked elsewhere."""
    if not keeping.numbers:
        return keeping.redaction.text(words, TEXT_CHARACTERS_MAX)
    shown = escaped(words[:TEXT_CHARACTERS_MAX])
    return shown if len(words) <= TEXT_CHARACTERS_MAX else f"{shown}… (of {len(words)} characters)"
