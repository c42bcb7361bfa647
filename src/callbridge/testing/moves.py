"""What the model does in a test, one move for each response that it is asked for. Types only.

In Python and in TOML alike: a plain text is `Says(text)`, everything else a table that names its `move`
(`{move = "calls", tool = "opening_hours", arguments = {day = "Sunday"}}`).

The first words of a call are no move: the agent's own greeting is said by itself, and so is whatever else the
service has the model say word for word. An agent that leaves its greeting to the model needs a move for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import msgspec

Milliseconds = Annotated[int, msgspec.Meta(ge=0)]


class _Called(type(msgspec.Struct)):  # type: ignore[misc]  # The metaclass has no public name.
    """Lets a call be written like one: `Calls("book", day="Sunday")`, whatever its arguments are called."""

    def __call__(cls, tool: str, /, **arguments: Any) -> Any:
        return super().__call__(tool, arguments)


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="move"):
    """One response of the model."""


class Calls(Move, frozen=True, tag="calls", metaclass=_Called):
    """The model calls a tool, without a word. When the tool has answered it makes its next move.

    `Calls("opening_hours", day="Sunday")`. The session must offer a tool of this name at that moment, and its
    schema must allow the arguments: otherwise the call of the test fails, since no agent was tested by it.
    """

    tool: str
    arguments: dict[str, Any] = {}
    after_ms: Milliseconds | None = None
    """As in `Says`; in a scenario alone, as in Python every name is an argument of the tool."""

    if TYPE_CHECKING:

        def __init__(self, tool: str, /, **arguments: Any) -> None: ...


class Says(Move, frozen=True, tag="says"):
    """The model says this. A plain `str` is the same."""

    text: str
    """Empty where it calls several tools at once without a word."""
    then: Calls | tuple[Calls, ...] = ()
    """Tools that it calls in the same breath: `Says("Goodbye!", then=Calls("end_call"))`."""
    after_ms: Milliseconds | None = None
    """How long it thinks: between the beginning of its response and the first of it. By itself 300 ms."""

    @property
    def calls(self) -> tuple[Calls, ...]:
        """`then`, always as several."""
        return self.then if isinstance(self.then, tuple) else (self.then,)


class Fails(Move, frozen=True, tag="fails"):
    """The response fails, without a word. The service may ask again: that is the next move."""

    code: str = "server_error"
    """The vendor's: `server_error`, `rate_limit_exceeded`, `insufficient_quota`, …"""


class Silent(Move, frozen=True, tag="silent"):
    """The response begins, and nothing comes of it. The service gives it up after some seconds."""


class Drops(Move, frozen=True, tag="drops"):
    """The session is lost as it begins to answer. In the one that replaces it the next move is made."""


ModelMove: TypeAlias = str | Says | Calls | Fails | Silent | Drops
"""One move of the model, as it may be written."""
