"""A call that was played, as a conversation: what a judge is shown of it, and what is stored."""

from __future__ import annotations

import time
from importlib.metadata import version
from typing import TYPE_CHECKING

from callbridge.testing.persona.conversation import Conversation, Spoken, ToolRun

if TYPE_CHECKING:
    from callbridge.records.story import Spoken as Said
    from callbridge.records.story import Turn
    from callbridge.testing.call_data import CallData


def conversation_of(call: CallData) -> Conversation:
    """What was said in a call, as its story tells it, with what judges have said of it so far."""
    if call.judged:
        return call.judged[-1]
    story = call.story
    return Conversation(
        title=call.title,
        callbridge=version("callbridge"),
        played_at=time.time(),
        agent=story.agent,
        turns=tuple(_turn(turn) for turn in story.turns),
        happened=tuple(each.title for each in story.happenings),
        ended=story.end_reason,
        persona=call.persona,
        goal=call.goal,
        complaints=tuple(f"{complaint.kind}: {complaint.text}" for complaint in call.complaints),
        exchanges=call.exchanges,
    )


def _turn(turn: Turn) -> Spoken:
    unheard = " ".join(filter(None, map(_unheard, turn.agent))) if turn.was_interrupted else ""
    tools = tuple(ToolRun(use.name, use.arguments, use.result, use.outcome) for use in turn.tools)
    return Spoken(turn.number, turn.caller or "", turn.keys, turn.heard, unheard, tools)


def _unheard(spoken: Said) -> str:
    """The rest of one item, behind what was heard of it; that ends in an ellipsis where it was cut."""
    if spoken.heard == spoken.words:
        return ""
    return spoken.words.removeprefix(spoken.heard.rstrip(" …")).strip()
