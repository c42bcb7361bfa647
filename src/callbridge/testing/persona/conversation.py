"""A conversation as it is stored, `NAME.conversation.json`: so that it can be judged again without a call.

It holds every word of the call: it is for made-up callers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from callbridge.testing.persona.judge import Judge, Judgement
from callbridge.testing.persona.persona import Persona
from callbridge.testing.persona.text_models import Exchange

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


SUFFIX: Final = ".conversation.json"

SHAPE: Final = 1
"""Of the file."""

RESULT_CHARACTERS_MAX: Final = 2000
"""Of the arguments, and of the result, of one tool, as the judge is shown it."""


class ConversationError(ValueError):
    """A file that cannot be used. The text says why, and what to do."""


class ToolRun(msgspec.Struct, frozen=True):
    """A tool that ran."""

    name: str
    arguments: str
    result: str
    outcome: str


class Spoken(msgspec.Struct, frozen=True):
    """One turn: what the caller did, and what came of it."""

    number: int
    caller: str = ""
    keys: str = ""
    heard: str = ""
    """What the caller heard of the agent's answer."""
    unheard: str = ""
    """What the agent was about to say besides, when it was interrupted."""
    tools: tuple[ToolRun, ...] = ()

    @property
    def text(self) -> str:
        """Everything that may be quoted of it."""
        tools = (f"{tool.name} {tool.arguments} {tool.result}" for tool in self.tools)
        return "\n".join([self.caller, self.keys, self.heard, self.unheard, *tools])


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation, who led it, and what judges have said of it."""

    shape: int = SHAPE
    title: str
    callbridge: str
    """The version that played it."""
    played_at: float
    """Seconds since 1970."""
    agent: str
    turns: tuple[Spoken, ...]
    happened: tuple[str, ...] = ()
    """Beside the turns, in words: transfers, texts, steps."""
    ended: str = ""
    persona: Persona | None = None
    """Who called; None where the caller had a script."""
    goal: str = ""
    """What the persona says of its goal: `open`, `reached`, `given_up`. Advisory."""
    complaints: tuple[str, ...] = ()
    """Of the call. A judge is not told of them, and excuses none."""
    judges: tuple[Judge, ...] = ()
    """Who was asked about it, each once, the latest last."""
    exchanges: tuple[Exchange, ...] = ()
    """Every question to a text model, with its answer."""
    judgements: tuple[Judgement, ...] = ()
    """The latest last."""

    def as_material(self) -> dict[str, Any]:
        """What a judge is shown."""
        shown = {
            "turns": [_shown(turn) for turn in self.turns],
            "happened": list(self.happened),
            "ended": self.ended,
        }
        return {name: value for name, value in shown.items() if value}

    def with_judgement(
        self, judge: Judge, judgement: Judgement, exchanges: Iterable[Exchange]
    ) -> Conversation:
        """The same with what a judge has said."""
        return msgspec.structs.replace(
            self,
            judges=(*(other for other in self.judges if other != judge), judge),
            judgements=(*self.judgements, judgement),
            exchanges=(*self.exchanges, *exchanges),
        )

    def save(self, path: Path) -> Path:
        """Writes it down, as `NAME.conversation.json`; the folder is made if it is not there.

        It is there whole or as it was, and its owner alone may read it.
        """
        if not path.name.endswith(SUFFIX):
            path = path.with_name(path.name + SUFFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        try:
            part.touch(0o600)
            part.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return path


def load_conversation(path: Path) -> Conversation:
    """The conversation in a file.

    Raises:
        ConversationError: there is none, or one of another version.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Conversation)
    except OSError as error:
        raise ConversationError(f"{path} cannot be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConversationError(f"{path} is no conversation of a test: {error}") from error
    if found.shape != SHAPE:
        raise ConversationError(f"{path} is of another version ({found.shape}); play the call again")
    return found


def _shown(turn: Spoken) -> dict[str, Any]:
    tools = [
        {
            "name": tool.name,
            "arguments": tool.arguments[:RESULT_CHARACTERS_MAX],
            "result": tool.result[:RESULT_CHARACTERS_MAX],
            "outcome": tool.outcome,
        }
        for tool in turn.tools
    ]
    told = {
        "caller_said": turn.caller,
        "caller_pressed": turn.keys,
        "caller_heard": turn.heard,
        "never_heard": turn.unheard,
        "tools": tools,
    }
    return {"turn": turn.number, **{name: value for name, value in told.items() if value}}
