"""Where rows are kept, as the writer and the watch see it: `Home`.

There are two: a file, and a schema in PostgreSQL. Statements are the same for both.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.exc import SQLAlchemyError

    from callbridge.state.bell import Bell


class Fault(enum.Enum):
    """What an error means for whoever tries again."""

    BUSY = "busy"
    """Another one was in the way for a moment, and nothing is wrong."""
    LOST = "lost"
    """The connection is gone. Nobody knows whether what was committed last is written."""
    WRONG = "wrong"
    """Something is wrong with it. It is opened anew."""


class Home(Protocol):
    """Blocking throughout. A connection belongs to the thread that opened it."""

    @property
    def name(self) -> str:
        """What operators call it; begins a sentence. No password is in it."""

    @property
    def is_remote(self) -> bool:
        """Whether it may be away while all is well here: nobody waits for it, and commits may be in doubt."""

    @property
    def poll_every_s(self) -> float:
        """How often the watch looks, if nothing tells of news."""

    @property
    def stuck_s(self) -> float:
        """From here on a write that does not end is trouble and not a hiccup."""

    def check(self) -> str | None:
        """Whether it can be used, for the start: why not now, where it may be so later.

        Raises:
            StateError: it can never be used like this.
        """

    def open(self) -> Connection:
        """A connection that may write, to tables that are those of this callbridge.

        Raises:
            SQLAlchemyError: it cannot be used now, or at all; `in_words` says which.
            StateError: it is no state of ours, or of another version.
        """

    def open_watch(self, process: str) -> Connection:
        """One for the watch, to a home that was opened before; it hears when `process` has mail."""

    def writing(self, connection: Connection, locks: Collection[str] = ()) -> AbstractContextManager[None]:
        """One transaction. Until it ends no other one has any of the same `locks`."""

    def reading(self, connection: Connection) -> AbstractContextManager[None]:
        """One that only reads."""

    def now(self) -> ColumnElement[float]:
        """The time by which leases are judged."""

    def ring(self, connection: Connection, processes: Collection[str]) -> None:
        """Tells these processes that they have mail, once the transaction is written."""

    def wait(self, connection: Connection, bell: Bell) -> None:
        """Returns when the bell rings, there is mail for who watches, or `poll_every_s` is over."""

    def may_prune(self, connection: Connection) -> bool:
        """Whether nobody else prunes at this moment; holds until the transaction ends."""

    def after_pruning(self, connection: Connection) -> None:
        """What was deleted is overwritten, where that is possible."""

    def fault(self, error: SQLAlchemyError) -> Fault:
        """What an error means."""

    def in_words(self, error: SQLAlchemyError) -> str:
        """What is wrong and what to do."""

    def stuck_in_words(self, waited_s: float) -> str:
        """So of a write that does not end."""

    def close(self) -> None:
        """Nobody uses it any more."""
