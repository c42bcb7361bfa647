"""What a guardrail looks at, and when. Pure.

The text of an answer comes ahead of its sound. It is looked at every so many characters, and once more when
no more of it comes. A look whose verdict hangs on what follows waits for that. One look at a time: what comes
meanwhile waits for the next one, which gets the newest text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TEXT_MAX: Final = 4000
"""Characters that a guardrail gets, the latest ones: more than four minutes of speech."""

ITEMS_MAX: Final = 8
"""Items whose text is kept, the latest ones. A response has one or two."""

_BETWEEN_LETTERS: Final = re.compile(r"[\W_]+")


@dataclass(slots=True)
class Item:
    """What the agent says in one item."""

    text: str = ""
    count: int = 0
    """Its characters, also those that are not kept."""
    is_over: bool = False
    """No more will come."""
    is_stopped: bool = False
    """It is not looked at any more."""


class Spoken:
    """What the agent says, in the latest items of a call."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def adds(self, item_id: str, words: str) -> None:
        """A piece of an item's words."""
        item = self.items.setdefault(item_id, Item())
        item.text, item.count = (item.text + words)[-TEXT_MAX:], item.count + len(words)
        if len(self.items) > ITEMS_MAX:
            del self.items[next(iter(self.items))]

    def are_over(self) -> None:
        """No more will come of what was begun so far."""
        for item in self.items.values():
            item.is_over = True

    def stops(self, item_id: str) -> bool:
        """An item is not looked at any more. Answers whether it was until now."""
        item = self.items.setdefault(item_id, Item())
        was_looked_at, item.is_stopped = not item.is_stopped, True
        return was_looked_at


class Watch:
    """What one guardrail has looked at, of one call.

    Args:
        every: characters between two looks.
        waits: says of a text that grows whether the verdict depends on what follows.
    """

    def __init__(self, every: int, waits: Callable[[str], bool]) -> None:
        self._every, self._waits = every, waits
        self._seen: dict[str, int] = {}
        """Characters of each item that it has looked at."""
        self.is_looking = False
        self.is_held = False
        """Its function runs in a thread, perhaps for longer than a look may take. Written there."""

    def next(self, spoken: Spoken) -> tuple[str, str] | None:
        """The item that is to be looked at now, the newest first, and its text; None for none."""
        if self.is_looking or self.is_held:
            return None
        for item_id, item in reversed(spoken.items.items()):
            if not item.is_stopped and self._is_due(item, item.count - self._seen.get(item_id, 0)):
                self._seen = {one: self._seen.get(one, 0) for one in spoken.items} | {item_id: item.count}
                return item_id, item.text
        return None

    def _is_due(self, item: Item, unseen: int) -> bool:
        if item.is_over:
            return unseen > 0
        return unseen >= self._every and not self._waits(item.text)


def is_begun_of(text: str, sentence: str) -> bool:
    """Whether a text is the beginning of a sentence, or all of it, letter by letter."""
    return _letters(sentence).startswith(_letters(text))


def _letters(text: str) -> str:
    return _BETWEEN_LETTERS.sub("", text.casefold())
