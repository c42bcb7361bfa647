"""`Line`: plays whole calls of an agent, with a caller and a model that do what a test says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from callbridge.testing.persona.casting import text_models_of
from callbridge.testing.serving import Order, play
from callbridge.testing.speech import Speech, agent_speaker, caller_speech

if TYPE_CHECKING:
    from callbridge.agents.choosing.gathering import Answering
    from callbridge.testing.effects import AnyEffect
    from callbridge.testing.moves import ModelMove
    from callbridge.testing.persona.persona import Improvised, Persona
    from callbridge.testing.played import PlayedCall
    from callbridge.testing.steps import CallerStep


class Line:
    """A telephone line to an agent, for tests: everything on it is real but the clock and the sockets.

    In pytest it is the fixture `line`. Elsewhere: `async with Line() as line`, or `Line().play(…)` without an
    event loop.

    Args:
        settings: of the service, by the names of their variables; what differs from a usual laptop.
        seed: of everything that is drawn by lot.
    """

    def __init__(self, *, settings: Mapping[str, str] | None = None, seed: int = 0) -> None:
        self._settings = dict(settings or {})
        self._seed = seed
        self.calls: list[PlayedCall] = []
        """All that were played, in their order."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing more is played."""

    async def call(
        self,
        agent: Answering,
        *,
        caller: Sequence[CallerStep] | Persona = (),
        model: Sequence[ModelMove] | Improvised = (),
        effects: Sequence[AnyEffect] = (),
        speech: Speech = Speech.SYNTHETIC,
        seed: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> PlayedCall:
        """Plays one call from the dialling to the hang-up."""
        order = self._order(agent, caller, model, effects, speech, seed, settings)
        return self._done(await asyncio.to_thread(_run, order))

    def play(
        self,
        agent: Answering,
        *,
        caller: Sequence[CallerStep] | Persona = (),
        model: Sequence[ModelMove] | Improvised = (),
        effects: Sequence[AnyEffect] = (),
        speech: Speech = Speech.SYNTHETIC,
        seed: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> PlayedCall:
        """The same from code without an event loop."""
        return self._done(_run(self._order(agent, caller, model, effects, speech, seed, settings)))

    def _order(
        self,
        agent: Answering,
        caller: Sequence[CallerStep] | Persona,
        model: Sequence[ModelMove] | Improvised,
        effects: Sequence[AnyEffect],
        speech: Speech,
        seed: int | None,
        settings: Mapping[str, str] | None,
    ) -> Order:
        return Order(
            answering=agent,
            caller=caller,
            model=model,
            audio_of=lambda text, file: caller_speech(text, file, how=speech),
            voice=agent_speaker(speech),
            effects=effects,
            seed=self._seed if seed is None else seed,
            settings=self._settings | dict(settings or {}),
            title=f"call {len(self.calls) + 1}",
            text_models=text_models_of(caller, model),
        )

    def _done(self, call: PlayedCall) -> PlayedCall:
        self.calls.append(call)
        return call


def _run(order: Order) -> PlayedCall:
    return asyncio.run(play(order, time.time))
