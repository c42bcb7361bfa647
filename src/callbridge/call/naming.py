"""The ids that we choose for what we send to the model. Counters, so that the same call has the same ids."""

from __future__ import annotations


class Names:
    """The names of one call's commands and items."""

    def __init__(self) -> None:
        self._commands = self._items = 0
        self._item_prefix = "cb_item"

    def next_command_id(self) -> str:
        """A new `event_id`: it comes back in the error that answers a command."""
        self._commands += 1
        return f"cb_{self._commands}"

    def next_item_id(self) -> str:
        """A new id for an item of ours."""
        self._items += 1
        return f"{self._item_prefix}_{self._items}"

    def keep_apart(self, stream_sid: str) -> None:
        """The session has items of an earlier stream of this call, and would refuse the same ids again.

        The end of `stream_sid` is enough: an id may have 32 characters, and a sid has 34.
        """
        self._item_prefix = f"cb_{stream_sid[-12:]}"
