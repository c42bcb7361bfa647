"""What the agent owes the caller, and which response pays for what. When to ask is decided in `turns`.

An ordinary response reads all that is in the conversation, and so pays for everything that was there when it
began. A response that was told what to say says nothing else, and pays for its words alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from callbridge.wire.realtime_commands import ResponseOptions

if TYPE_CHECKING:
    from collections.abc import Collection

    from callbridge.call.responses import Response


@dataclass(slots=True)
class Owed:
    """An item of ours that the model has not answered yet."""

    cause: Response | None
    """The response whose tool call it answers."""
    is_added: bool = False
    """The server has said that the item is in the conversation."""
    passed: int = 0
    """Responses of our asking that began since. One may have crossed the item on the wire."""

    @property
    def is_settled(self) -> bool:
        """Whether the response that begins reads the item, or the server must have refused it."""
        return self.is_added or self.passed > 1


class Owing:
    """All that is owed in one call."""

    def __init__(self) -> None:
        self.greeting = False
        self.answer = False
        """To what the caller said or pressed, in an earlier session or before a response that failed."""
        self.farewell = False
        self.words = ""
        """What the agent is to be told to say: a warning, a goodbye."""
        self._greeting_options: ResponseOptions | None = None
        self._items: dict[str, Owed] = {}
        self._asked_words = ""
        """What the response that we asked for last was told to say."""

    def __bool__(self) -> bool:
        return bool(self._items or self.greeting or self.answer or self.farewell or self.words)

    def greet(self, options: ResponseOptions | None) -> None:
        """The caller is owed a greeting. `options`: how it is asked for."""
        self._greeting_options, self.greeting = options, True

    def add_item(self, item_id: str, cause: Response | None) -> None:
        """An item of ours is to be answered. `cause`: the response whose tool call it answers."""
        self._items[item_id] = Owed(cause)

    def item_added(self, item_id: str) -> None:
        """The server has an item."""
        if item_id in self._items:
            self._items[item_id].is_added = True

    # --- Asking and paying ---

    def may_ask(self, running: Collection[Response]) -> bool:
        """Whether something is owed that can be said now. `running`: responses that wait for a tool."""
        return bool(self.greeting or self.farewell or self.words or self._may_answer(running))

    def _may_answer(self, running: Collection[Response]) -> bool:
        """Whether anything may be answered. A result waits for its siblings: all get one answer."""
        return self.answer or any(owed.cause not in running for owed in self._items.values())

    def ask(self, running: Collection[Response]) -> ResponseOptions | None:
        """What the next response is asked for, as it differs from the session."""
        self._asked_words = ""
        if self.greeting:
            return self._greeting_options
        if self.farewell:
            return ResponseOptions(tool_choice="none")
        if self._may_answer(running):  # Before any words of ours: the caller's question is the older one.
            return None
        self._asked_words = self.words
        return ResponseOptions(instructions=self.words, tool_choice="none")

    def begins(self, response: Response, *, is_ours: bool) -> None:
        """A response begins and pays. `is_ours`: it is the one that we asked for last."""
        if is_ours and self._asked_words:
            response.words = self._asked_words
            if self.words == response.words:  # Otherwise there is something more important to say by now.
                self.words = ""
            return
        response.is_greeting = self.greeting
        self.greeting = self.answer = self.farewell = False
        for owed in self._items.values():
            owed.passed += is_ours
        self._items = {item: owed for item, owed in self._items.items() if not owed.is_settled}

    # --- What was not paid after all ---

    def owe_again(self, response: Response) -> None:
        """A response has not said what it began for."""
        if response.is_greeting:
            self.greeting = True
        elif response.words:
            self.words = self.words or response.words
        else:
            self.answer = True

    def session_lost(self) -> None:
        """The next session is told all that was said; what was to be answered of it, is still."""
        self.answer = (self.answer or self.farewell or bool(self._items)) and not self.greeting
        self.farewell = False
        self._items.clear()

    def forget(self) -> None:
        """There is nobody any more who could pay."""
        self.greeting = self.answer = self.farewell = False
        self.words = ""
        self._items.clear()
