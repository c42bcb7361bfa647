"""What records a call, as its agent sees it. Given from above; without one nothing is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Recorder(Protocol):
    """The recorder of one stream. All but `kept` may be called in any thread, and return at once."""

    name: str
    """Of the recording."""

    async def kept(self) -> bool:
        """Whether all that was noted is on disk. Returns when it is, or cannot be."""

    def begin(self, failed: Callable[[str], None]) -> None:
        """Records both sides from here on.

        Args:
            failed: is told why, in any thread, when it has to stop before `end`. It may be called at once.
        """

    def pause(self) -> None:
        """From when this returns nothing is recorded."""

    def resume(self) -> None:
        """From here on it is again."""

    def end(self, *, is_by_phone: bool) -> None:
        """The stream is over: what was recorded is to be stored. Again, or without a beginning: nothing."""

    def discard(self) -> None:
        """Records no more, and deletes what was recorded."""
