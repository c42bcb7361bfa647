"""What the caller is still owed, since when, and which response pays for what.

When to ask is decided in `asking`.

An ordinary response reads all that is in the conversation, and so pays for everything that was there when it
began. A response that was told what to say says nothing else, and pays for its words alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callbridge.wire.realtime_commands import ResponseOptions

if TYPE_CHECKING:
    from collections.abc import Collection

    from callbridge.call.floor.responses import Ask, LiveResponse, Saying


@dataclass(slots=True)
class OwedItem:
    """An item of ours that the model has not answered yet."""

    cause: LiveResponse | None
    """The response whose tool call it answers."""
    since: float
    is_added: bool = False
    """The server has said that the item is in the conversation."""
    passed: int = 0
    """Responses of our asking that began since. One may have crossed the item on the wire."""

    @property
    def is_settled(self) -> bool:
        """Whether the response that begins reads the item, or the server must have refused it."""
        return self.is_added or self.passed > 1


@dataclass(frozen=True, slots=True)
class DoubtfulAnswer:
    """One that brought nothing, and is owed if what it answered was more than a cough."""

    item_id: str
    """What it answered."""
    since: float


@dataclass(slots=True)
class Debts:
    """All that is owed in one call. A time says since when; None: it is not owed."""

    greeting: float | None = None
    answer: float | None = None
    """To what the caller said or pressed, in an earlier session or before a response that failed."""
    doubtful: DoubtfulAnswer | None = None
    """To what may have been a cough."""
    farewell: float | None = None
    words: str = ""
    """What the agent is to be told to say: a warning, a goodbye."""
    words_since: float = 0.0
    sayings: list[Saying] = field(default_factory=list)
    """What the agent's code wants said, in order."""
    items: dict[str, OwedItem] = field(default_factory=dict)
    has_last_words: bool = False
    """The agent's code has given the goodbye: what a tool answers from now on is not spoken about."""

    def __bool__(self) -> bool:
        """Whether anything is owed."""
        return bool(self.words or self.sayings or self.items) or not (
            self.greeting is self.answer is self.farewell is None
        )

    def add_times(self, times: list[float]) -> None:
        """Adds since when each of them is owed."""
        for at in (self.greeting, self.answer, self.farewell):
            if at is not None:
                times.append(at)  # noqa: PERF401  # Asked after every event: a generator costs more than this.
        if self.items:
            times += [owed.since for owed in self.items.values()]
        if self.words:
            times.append(self.words_since)
        if self.sayings:
            times.append(self.sayings[0].since)

    def owe_words(self, words: str, now: float) -> None:
        """The agent is to say something in its own words. What it was to say before is overtaken."""
        self.words, self.words_since = words, now

    def owe_answer(self, since: float) -> None:
        """The caller is owed an answer, for as long as the oldest reason for one."""
        self.answer = since if self.answer is None else min(since, self.answer)

    def doubt(self, item_id: str | None, since: float) -> None:
        """An answer has brought nothing. It was to what may have been a cough: its words will say."""
        self.doubtful = None if item_id is None else DoubtfulAnswer(item_id, since)

    def words_came(self, item_id: str, *, are_any: bool) -> None:
        """Some of what the caller said is written down, or found to be no words."""
        doubtful = self.doubtful
        if doubtful is not None and doubtful.item_id == item_id:
            self.doubtful = None
            if are_any:
                self.owe_answer(doubtful.since)

    def add_item(self, item_id: str, cause: LiveResponse | None, since: float) -> None:
        """An item of ours is to be answered. `cause`: the response whose tool call it answers."""
        self.items[item_id] = OwedItem(cause, since)

    def item_added(self, item_id: str) -> None:
        """The server has an item."""
        if item_id in self.items:
            self.items[item_id].is_added = True

    # --- Asking and paying ---

    @property
    def is_anything_read(self) -> bool:
        """Whether an answer is owed to what stands in the conversation: any response reads that as well."""
        return self.answer is not None or any(owed.is_settled for owed in self.items.values())

    def may_ask(self, running: Collection[LiveResponse]) -> bool:
        """Whether something is owed that can be said now. `running`: responses that wait for a tool."""
        if self.words or self.sayings or not (self.greeting is self.farewell is None):
            return True
        return self._may_answer(running)

    def _may_answer(self, running: Collection[LiveResponse]) -> bool:
        """Whether anything may be answered. A result waits for its siblings: all get one answer."""
        return self.answer is not None or any(owed.cause not in running for owed in self.items.values())

    def next_words(self, running: Collection[LiveResponse]) -> str:
        """The words that the next response is told to say; empty when something else comes first."""
        if (saying := self.next_saying(running)) is not None:
            return saying.instructions
        return self.words if self._comes_to_words(running) else ""

    def next_saying(self, running: Collection[LiveResponse]) -> Saying | None:
        """What of it the agent's code wants said; None when it is something else."""
        if not self.sayings or self.greeting is not None:
            return None
        if self.sayings[0].comes_first or (not self.words and self._comes_to_words(running)):
            return self.sayings[0]
        return None

    def _comes_to_words(self, running: Collection[LiveResponse]) -> bool:
        # Greeting and goodbye come first; then the caller's question, which is older than any words of ours.
        return self.greeting is self.farewell is None and not self._may_answer(running)

    def options(
        self, running: Collection[LiveResponse], greeting: ResponseOptions | None
    ) -> ResponseOptions | None:
        """How the next response is to differ from the session. `greeting`: how that is asked for."""
        if self.greeting is not None:
            return greeting
        if words := self.next_words(running):
            return ResponseOptions(instructions=words, tool_choice="none")
        if self.farewell is not None:
            return ResponseOptions(tool_choice="none")
        return None

    def pay(self, response: LiveResponse, ask: Ask | None) -> None:
        """A response begins and pays. `ask`: what it was asked for with, if by us.

        What it does not say after all is owed again. The greeting is paid by nothing but itself.
        """
        if ask is not None and ask.saying is not None:
            response.saying = ask.saying
            if ask.saying in self.sayings:
                self.sayings.remove(ask.saying)
            return
        if response.words:
            # The words may have been replaced by more important ones while the ask was out: then those stay
            # owed.
            if self.words == response.words:
                self.words = ""
            return
        if ask is not None and ask.is_greeting and not response.is_muted:
            response.is_greeting, self.greeting = True, None
            if ask.is_verbatim:  # Keys, results and questions that came before are answered behind it.
                return
        response.is_farewell = ask is not None and ask.is_farewell
        self.farewell = None
        if not response.is_muted:  # What has overtaken it may be what is owed an answer.
            self.answer = self.doubtful = None
        for owed in self.items.values():
            owed.passed += ask is not None
        self.items = {item: owed for item, owed in self.items.items() if not owed.is_settled}

    # --- What was not paid after all ---

    def owe_again(self, response: LiveResponse) -> None:
        """A response has not said what it began for."""
        if response.is_greeting:
            self.greeting = response.since
        elif response.is_farewell:
            self.farewell = response.since
        elif response.saying is not None:
            self.sayings.insert(0, response.saying)
        elif response.words:
            if not self.words:
                self.owe_words(response.words, response.since)
        else:
            self.owe_answer(response.since)

    def session_lost(self) -> None:
        """The next session is told all that was said; what was to be answered of it, is still."""
        times = [owed.since for owed in self.items.values()]
        times += [at for at in (self.answer, self.farewell) if at is not None]
        self.answer = min(times, default=None)
        self.farewell = self.doubtful = None
        self.items.clear()

    def forget(self) -> None:
        """There is nobody any more who could pay."""
        self.greeting = self.answer = self.doubtful = self.farewell = None
        self.words = ""
        self.sayings.clear()
        self.items.clear()
