"""What the pages of calls need of the process. Whoever starts the pages gives it; they know no service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.console.lanes import Sound
    from callbridge.observe.feed import Subscription
    from callbridge.records.call_list import CallSummary, Filter
    from callbridge.records.story import CallStory


class Follow(Protocol):
    """Subscribes to what happens in live calls, as `callbridge.follow` does."""

    def __call__(self, call_sid: str | None, *, with_words: bool) -> Subscription:
        """What happens from now on in one call, or in all."""


class PastCalls(Protocol):
    """The calls that are over: the records, or the memory of this process."""

    async def calls(self, wanted: Filter) -> Sequence[CallSummary]:
        """Those that are wanted, the latest first.

        Raises:
            SourceError: it cannot be told now.
        """

    async def story(self, call_sid: str) -> CallStory | None:
        """One of them; nothing where it is not known.

        Raises:
            SourceError: it cannot be told now.
        """


class Sounds(Protocol):
    """What was recorded of calls."""

    async def sound(self, story: CallStory) -> Sound | None:
        """Both sides of a call on its time line; nothing where nothing was recorded, or is not stored yet.

        Raises:
            SourceError: it cannot be had now.
        """


@dataclass(frozen=True, slots=True)
class Frozen:
    """A call that has become a test."""

    path: str
    """Of the scenario, as one would type it."""
    command: str
    """Runs it."""
    remark: str = ""
    """What of the call is not in it, if anything."""


class Freezing(Protocol):
    """Makes a test of a call."""

    async def freeze(self, story: CallStory, sound: Sound | None) -> Frozen:
        """Writes it.

        Raises:
            SourceError: it cannot be made, or is there already; says why.
        """


class SourceError(Exception):
    """Why something is not shown: a sentence for who looks at the page."""
