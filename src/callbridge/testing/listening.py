"""Whether the agent, who is quiet, will go on: what a caller hears in a voice that says "let me look"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.simulators.voice_model import Journal
    from callbridge.simulators.voice_model.server import ModelServer

ASKED_FOR_WITHIN_S: Final = 1.0
"""So soon after a tool's result the service asks for the answer, if there is to be one."""


def is_more_to_come_from(model: ModelServer, clock: Callable[[], float]) -> Callable[[], bool]:
    """Asks the model's latest session: an answer is under way, or a tool has not answered."""

    def ask() -> bool:
        return bool(model.sessions) and _goes_on(model.sessions[-1], clock())

    return ask


def _goes_on(journal: Journal, now: float) -> bool:
    if journal.ended:
        return False
    if any(response.status == "in_progress" for response in journal.responses):
        return True
    items = journal.conversation.items()
    answered = {item.fields.get("call_id") for item in items if item.type == "function_call_output"}
    called = {item.fields.get("call_id") for item in items if item.type == "function_call"}
    if called - answered:
        return True
    is_fresh = bool(journal.received) and now - journal.received[-1].at < ASKED_FOR_WITHIN_S
    return bool(items) and items[-1].type == "function_call_output" and is_fresh
