"""What the agent of a call may ask of its core, beside the results of its tools.

Events like any other: whoever performs them knows nothing of flows, captures or menus, which live in
`agents/`. Nothing here is done in the middle of somebody's words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from callbridge.call.wishes import Wish
    from callbridge.wire.realtime_commands import SessionTool


@dataclass(frozen=True, slots=True)
class AgentSays:
    """The agent is to say exactly these words as soon as nobody speaks. `Said` tells what was heard."""

    say_id: str
    """New in the call."""
    words: str
    until_tool: str = ""
    """The `call_id` of a tool: once that has answered, the words are of no use if they were not begun."""
    is_answer: bool = False
    """The caller waits for them: where the model cannot be had to say them, another answer is owed."""


@dataclass(frozen=True, slots=True)
class AgentTells:
    """The model is told something that nobody has said. The caller hears what it makes of it."""

    text: str
    is_callers: bool = False
    """It stands for something that the caller did, like keys."""
    is_answered: bool = True
    """Whether the model is to speak about it now; otherwise it only knows."""


@dataclass(frozen=True, slots=True)
class AnswerStopped:
    """What the agent is saying is not to be heard any further, though the caller has not spoken.

    The phone is cleared, the model forgets what was not heard, and the response is cancelled. No turn begins,
    and nothing is withdrawn. Touched are the response that says the item and what is queued behind it: that
    cannot be kept back alone, and is owed again. Where all was heard before, or cut by the caller, nothing
    happens. `GuardrailTripped` tells, at once.
    """

    guardrail: str
    """What has stopped it, for the record."""
    item_id: str
    """What it was saying."""
    tells: str = ""
    """What the model is told of it, so that it does not say the same again."""
    says: AgentSays | None = None
    """Said in its place, before anything else. None: the model is asked for another answer."""
    is_answered: bool = True
    """Whether anything is to be said in its place."""


@dataclass(frozen=True, slots=True)
class SessionWanted:
    """The session is to have other instructions and tools from the next turn boundary on.

    It counts when the model has confirmed it; `SessionAmended` tells. A later one replaces one that waits.
    """

    amendment_id: str
    instructions: str
    tools: tuple[SessionTool, ...]


@dataclass(frozen=True, slots=True)
class SoundWanted:
    """While this tool runs, the caller hears a soft sound now and then in place of silence."""

    call_id: str


@dataclass(frozen=True, slots=True)
class KeysOut:
    """Keys are to be pressed as soon as nobody of ours speaks: the far end is a menu, say."""

    keys: str
    """`0`-`9`, `*`, `#`, `A`-`D`, and `w` for half a second; at most 32 (`are_pressable`)."""


@dataclass(frozen=True, slots=True)
class KeysWanted:
    """How the keys that the caller presses are put together from now on."""

    length_max: int | None = None
    """So many are enough: nothing is waited for behind them. None: as many as the caller likes."""
    pause_s: float | None = None
    """So long is waited for the next one. None: the usual time (`Limits.keys_timeout_s`)."""
    end: str = "#"
    """The key that says that they are done."""
    are_digits: bool = False
    """A number is asked for: no key means anything by itself."""


@dataclass(frozen=True, slots=True)
class WishSet:
    """Something is to be done to the call once the agent's last words were heard.

    A caller who speaks before that withdraws it.
    """

    wish: Wish
    is_said: bool = False
    """The last words are said, or asked for by `AgentSays`; otherwise the model is asked for them."""


@dataclass(frozen=True, slots=True)
class WishWithdrawn:
    """It is not to be done after all."""


@dataclass(frozen=True, slots=True)
class McpDecided:
    """Whether the model's side may run a tool of an MCP server, which has asked for that."""

    request_id: str
    is_given: bool
    reason: str = ""
    """For the model, where it may not."""


@dataclass(frozen=True, slots=True)
class WorkAsked:
    """Code of the agent is to run like a tool that no model has asked for, and whose answer none is told.

    The delivery of what was captured, what a key does, a tool that answers later: that it begins is on disk
    before it does, it has a time, the call stays for it when it ends, and after a crash it is not done twice.
    """

    call_id: str
    """New in the call."""
    name: str
    arguments: str = "{}"


Want: TypeAlias = (
    AgentSays
    | AgentTells
    | AnswerStopped
    | SessionWanted
    | SoundWanted
    | KeysOut
    | KeysWanted
    | WishSet
    | WishWithdrawn
    | McpDecided
    | WorkAsked
)
