"""Tools that were to answer later, and whose stream was lost before: how they ended nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.call.facts import Remembered
from callbridge.call.memory import Told, ToolAnswered, ToolStarted

if TYPE_CHECKING:
    from callbridge.call.facts import Fact

LATER: Final = "later"
"""With this begins the name of such a run."""


class Unended:
    """Those of one call, from the facts of its earlier streams."""

    def __init__(self) -> None:
        self._begun: dict[tuple[str, str], str] = {}
        """Their tools, by stream and run."""
        self._told: set[str] = set()

    def restore(self, fact: Fact) -> None:
        """One of these facts, in order."""
        match fact:
            case Remembered(ToolStarted(_, call_id, name, is_ours=True)) if call_id.startswith(f"{LATER}_"):
                self._begun[fact.source, call_id] = name
            case Remembered(ToolAnswered(_, call_id, is_ours=True)):
                self._begun.pop((fact.source, call_id), None)
            case Remembered(Told(_, text)):
                self._told.add(text)
            case _:
                pass

    def texts(self) -> list[str]:
        """What the model is to be told of them, each once in a call."""
        texts = dict.fromkeys(
            f"[{name}, which you began earlier, broke off with the connection. What came of it is not known: "
            "do not say that it failed, and do not call it again unless doing it twice does no harm. "
            "Find out, or tell the caller that it is not certain.]"
            for name in self._begun.values()
        )
        return [text for text in texts if text not in self._told]
