"""What may stand in a `*.call.toml`: the structs that are read, and that the schema is made of. Types only.

Steps, moves and expectations are those of `callbridge.testing`, by their names.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, TypeAlias

import msgspec

from callbridge.testing.doubles import AnyDouble
from callbridge.testing.effects import AnyEffect
from callbridge.testing.moves import ModelMove
from callbridge.testing.persona.judge import Judge
from callbridge.testing.persona.persona import Improvised, Persona
from callbridge.testing.scenarios.expect import Expect
from callbridge.testing.speech import Speech
from callbridge.testing.steps import CallerStep

SUFFIX = ".call.toml"

RUNS_MAX = 10_000
"""Of one scenario: an hour of them, and more than any question needs."""

Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"^\S[^\n:]*$")]
Tag: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,39}$")]
Rate: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1)]
Runs: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=RUNS_MAX)]
Setting: TypeAlias = str | int | float | bool
Doubled: TypeAlias = str | AnyDouble | Annotated[tuple[AnyDouble, ...], msgspec.Meta(min_length=1)]


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call."""

    name: Name = ""
    """What it is called; the file's name when it is the only one in its file."""
    agent: str = ""
    """Who answers: `module:name`, or a file `….py:name` or `….toml` beside this one. Without it, whom
    `CALLBRIDGE_AGENT` names."""
    caller: tuple[CallerStep, ...] | Persona
    """What the caller does, step after step. A text is said when the agent has finished. Or a table with
    `who` and `goal`: a text model plays them."""
    model: tuple[ModelMove, ...] | Improvised = ()
    """What the model does, one move for each response. A text is said. Or a table: a text model improvises
    it."""
    tools: dict[str, Doubled] = {}
    """What runs in place of a tool: a text that it returns; a table that says what it `does`, or a list of
    these, one for each time that it is called."""
    people: dict[str, str] | None = None
    """Who can be rung, for transfers: by number what they do: `takes`, `busy`, `no-answer`, `mailbox`,
    `declines`, `hangs-up`, `presses 1`; `@5` behind it is how long it rings, in seconds. With it, even if it
    is empty, the account is there, for texts."""
    effects: tuple[AnyEffect, ...] = ()
    """What is not perfect: noise, soft speech, lost frames, …"""
    speech: Speech | None = None
    """How a text becomes speech, where no file is given; as the run has it."""
    expect: Expect = Expect()
    """What must be so, by the names of `call.expect`."""
    judge: Judge | None = None
    """A text model says whether these criteria hold of the call. It can fail a call and save none."""
    settings: dict[str, Setting] = {}
    """Settings of the service, by their names in `.env`."""
    from_number: str | None = None
    """Who calls."""
    to_number: str | None = None
    """The number that is called."""
    at: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None = None
    """The date and time at which it is placed, with its time zone; now without it."""
    max_call_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """The caller hangs up at the latest then; 300 s by default."""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Of all that is left to chance; the first of `repeat`."""
    repeat: Runs = 1
    """How often it is called, each time with the next seed."""
    rate: Rate = 1.0
    """The share of these calls that must pass."""
    tags: tuple[Tag, ...] = ()
    """Names by which `-k` finds it."""
    real_sockets: bool = False
    """In real time and over sockets of this machine, and not in virtual time."""
