"""`Line`: plays whole calls of an agent, with a caller and a model that do what a test says."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from callbridge.testing.call_data import ToolNotOfferedError
from callbridge.testing.keeping import Kept
from callbridge.testing.persona.casting import real_settings_of, text_models_of
from callbridge.testing.persona.persona import RealModel
from callbridge.testing.running import run, run_beside
from callbridge.testing.serving import Order, play
from callbridge.testing.speech import Speech, agent_speaker, caller_speech
from callbridge.testing.written import check_names, checked_caller, checked_model

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from callbridge.agents.choosing.gathering import Answering
    from callbridge.simulators.phone import Person
    from callbridge.testing.doubles import DoubleOf
    from callbridge.testing.effects import Effect
    from callbridge.testing.persona.casting import CallerPart, ModelPart
    from callbridge.testing.played import PlayedCall

__tracebackhide__ = True
"""A failing test of a user shows their own lines."""


class CallArguments(TypedDict, total=False):
    """What one call of a line is to be."""

    caller: CallerPart
    """What the caller does, step after step; by default they listen to the greeting and hang up. Or who they
    are, and what they want: then a text model plays them."""
    model: ModelPart
    """What the model does, one move for each response that it is asked for. Or what it knows: then a text
    model plays it."""
    tools: Mapping[str, DoubleOf]
    """What runs in place of tools, by their names: `{"opening_hours": Returns("8 to 14", after_s=2)}`. What
    the model is offered stays the agent's own."""
    people: Mapping[str, str | Person | Sequence[Person]]
    """Who can be rung, for transfers: by number what they do (`takes`, `busy`, `no-answer`, `mailbox`,
    `declines`, `hangs-up`, `presses 1`, behind it `@5` for how long it rings). With it, even if it is empty,
    the account is there, for texts. Where there are any, the caller stays until the other side hangs up."""
    effects: Sequence[Effect]
    """What is not perfect about the caller and their line."""
    speech: Speech
    """How the words of both become speech; by default as on the line."""
    seed: int
    """Of everything that is drawn by lot; by default that of the line."""
    settings: Mapping[str, str]
    """Of the service, by the names of their variables, beside those of the line."""
    from_number: str
    """Who calls."""
    to_number: str
    """The number that is called."""
    after_s: float
    """How long after the last call of the line it is placed, as the date goes; an hour by default."""
    at: dt.datetime
    """The date and time at which it is placed, with its time zone; by default now. An agent that asks what
    day it is (`call.local_time`) is told so."""
    max_call_s: float
    """The caller hangs up at the latest then, and complains; 300 s by default."""
    title: str
    """What the call is called in reports; by default its number on the line."""
    real_sockets: bool
    """By default that of the line."""


class Line:
    """A telephone line to an agent, for tests: everything on it is real but the clock and the sockets.

    In pytest it is the fixture `line`. Elsewhere: `async with Line() as line`, or `Line().play(…)` without an
    event loop. Calls of one line follow each other, at one service: what is kept of callers, it keeps.

    Args:
        settings: of the service, by the names of their variables; what differs from a usual laptop. None is
            read from the environment or from a `.env` file.
        seed: of everything that is drawn by lot.
        speech: how the words of caller and model become speech.
        real_sockets: uses the sockets and the time of this machine, in place of a network in memory and a
            clock that jumps: a call of a minute takes a minute.
    """

    def __init__(
        self,
        *,
        settings: Mapping[str, str] | None = None,
        seed: int = 0,
        speech: Speech = Speech.SYNTHETIC,
        real_sockets: bool = False,
    ) -> None:
        self._settings = dict(settings or {})
        self._seed = seed
        self._speech = speech
        self._real_sockets = real_sockets
        self._kept = Kept(float(int(time.time())))
        self.calls: list[PlayedCall] = []
        """All that were played, in their order."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Nothing is left of a call when it is over: there is nothing to end."""

    def __repr__(self) -> str:
        return f"<Line {len(self.calls)} calls>"

    async def call(self, agent: Answering | str | Path, **what: Unpack[CallArguments]) -> PlayedCall:
        """Plays one call, from the dialling until the service has written down its end.

        Args:
            agent: who answers: an agent, a roster, a mapping of called numbers to agents, or a function that
                chooses one; or where they are, as `CALLBRIDGE_AGENT` names it: `module:name`, or a TOML file
                or a folder of them.
            what: see `CallArguments`.

        Returns:
            The call. That it went wrong is for the test to say: `call.expect.no_complaints()`.

        Raises:
            ToolNotOfferedError: the model was to call a tool that the session did not offer at that moment.
            TypeError: there is no such argument, step or move, or what is to be a list is none.
            ValueError: one of `tools` is no tool of the agent.
            AgentError: who answers cannot be loaded.
            SettingsError: the settings cannot be used; says all that is wrong with them.
            SpeechError: something cannot be spoken.
        """
        make, is_virtual = self._prepared(agent, **what)
        return self._done(await run_beside(make, is_virtual=is_virtual))

    def play(self, agent: Answering | str | Path, **what: Unpack[CallArguments]) -> PlayedCall:
        """The same for code without an event loop.

        Raises:
            RuntimeError: this thread runs an event loop: write `await line.call(…)` there.
        """
        make, is_virtual = self._prepared(agent, **what)
        return self._done(run(make, is_virtual=is_virtual))

    def _prepared(
        self,
        agent: Answering | str | Path,
        *,
        caller: CallerPart = (),
        model: ModelPart = (),
        speech: Speech | None = None,
        seed: int | None = None,
        settings: Mapping[str, str] | None = None,
        title: str = "",
        real_sockets: bool | None = None,
        **more: Any,
    ) -> tuple[Callable[[], Coroutine[Any, Any, PlayedCall]], bool]:
        check_names(more, CallArguments.__annotations__)
        is_real = isinstance(model, RealModel)
        speech = speech or (Speech.ESPEAK if is_real else self._speech)  # It understands no hum.
        has_real_sockets = is_real or (self._real_sockets if real_sockets is None else real_sockets)
        order = Order(
            caller=checked_caller(caller),
            model=checked_model(model),
            text_models=text_models_of(caller, model, is_live=has_real_sockets),
            answering=agent,
            audio_of=partial(caller_speech, how=speech),
            voice=agent_speaker(speech),
            seed=self._seed if seed is None else seed,
            settings=self._settings | real_settings_of(model) | dict(settings or {}),
            title=title or f"call {len(self.calls) + 1}",
            **more,
        )
        return partial(play, order, self._kept), not has_real_sockets

    def _done(self, call: PlayedCall) -> PlayedCall:
        self.calls.append(call)
        impossible = [one for one in call.complaints if one.kind == "tool_not_offered"]
        # A text model may imagine a tool: that is for the test to judge.
        if impossible and not call.exchanges:
            raise ToolNotOfferedError(f"{impossible[0].text}\n\n{call.timeline()}")
        return call
