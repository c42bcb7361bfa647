"""A `<Dial>` that rings: several telephones at once or in turn, whisper, talk, and what came of it."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from callbridge.simulators.phone.execution import Execution
from callbridge.simulators.phone.leg import EXCHANGE, HungUp
from callbridge.simulators.phone.machine_detection import tell_beside
from callbridge.simulators.phone.people import Moment
from callbridge.simulators.phone.program import RINGS_LONGER_S, Role
from callbridge.simulators.phone.silence import RINGING
from callbridge.simulators.phone.steps import Dialled, Talk
from callbridge.simulators.phone.twiml import DIAL_TIME_LIMIT_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.simulators.phone.dial_nouns import Noun
    from callbridge.simulators.phone.leg import Leg
    from callbridge.simulators.phone.ringing import Telephones
    from callbridge.simulators.phone.steps import Ring

UNANSWERED = ("no-answer", "busy", "failed", "canceled")
"""Of several that nobody answered, the first of these tells."""


class Dialling:
    """One `<Dial>` of one leg.

    Args:
        telephones: whom it can ring.
        parent: the leg whose document says `<Dial>`.
        step: whom it rings.
        connected: told when somebody was connected.
    """

    def __init__(
        self, telephones: Telephones, parent: Leg, step: Ring, connected: Callable[[], None]
    ) -> None:
        self._telephones = telephones
        self._parent = parent
        self._step = step
        self._connected = connected
        self._rounds: list[list[Leg]] = []
        """Those who rang together, round after round."""
        self._winner: Leg | None = None
        """The one that picked up first."""
        self._was_taken = False
        """The winner was sent elsewhere over REST."""
        self._settled = asyncio.Event()
        self._hears_since = parent.on_line()
        """What the parent hears now: ringing, and then the talk."""
        self._talks = False
        """The two were connected, and hear each other until it is over."""
        self._skipped_s = 0.0

    async def run(self) -> Dialled:
        """Ring, and stay until it is over or the parent is sent elsewhere; then nobody rings any more."""
        nouns = self._step.nouns
        rounds = [(noun,) for noun in nouns] if self._step.verb.is_sequential else [nouns]
        for together in rounds:
            await self._ring(together)
            if self._winner is not None or self._parent.cut is not None:
                break
        self._hear_to_now()
        return self._outcome()

    async def _ring(self, nouns: tuple[Noun, ...]) -> None:
        self._settled.clear()
        round_ = [self._telephones.dialled_leg(self._parent, noun, self._step.shown) for noun in nouns]
        self._rounds.append(round_)
        for child, noun in zip(round_, nouns, strict=True):
            self._telephones.start(child, partial(self._live, child, noun))
        await self._parent.unless_cut(self._settled.wait())
        for child in round_:
            if not (self._was_taken and child is self._winner):
                child.hang_up(EXCHANGE)
                await child.over.wait()

    async def _live(self, child: Leg, noun: Noun) -> None:
        """The life of one leg that is rung."""
        limit_s = self._step.verb.timeout_s + RINGS_LONGER_S
        if await self._telephones.ring(child, limit_s):
            await self._answered(child, noun)
        if self._winner is child or all(not leg.is_live for leg in self._rounds[-1]):
            self._settled.set()

    async def _answered(self, child: Leg, noun: Noun) -> None:
        self._winner = child
        for other in self._rounds[-1]:
            if other is not child:
                other.hang_up(EXCHANGE)
        child.keys_heard = noun.send_digits
        tell_beside(child, noun.machine_detection, (noun.amd_callback, noun.amd_method))
        program = self._telephones.program(child, noun.url or "", noun.method, Role.WHISPER)
        execution = Execution(
            child,
            program,
            self._telephones.settings,
            self._telephones.voice_of(child),
            talk=partial(self._talk, child),
            on_sent_elsewhere=self._taken,
        )
        child.end(await execution.run(program.begin() if noun.url else Talk()))

    def _taken(self) -> None:
        """The leg was sent elsewhere: this `<Dial>` is over, and the leg goes on without it."""
        self._was_taken = True
        self._settled.set()

    async def _talk(self, child: Leg) -> None:
        self._connected()
        self._hear_to_now()
        self._talks = True
        self._parent.on_key = self._press if self._step.verb.hangs_up_on_star else None
        began_at = child.on_line()
        child.reach(Moment.TALK)
        limit_s = self._step.verb.time_limit_s
        patience_s = None if limit_s == DIAL_TIME_LIMIT_S else limit_s * child.pace
        try:
            async with asyncio.timeout(patience_s):
                await child.unless_cut(asyncio.Event().wait())
        except TimeoutError:
            child.hang_up(EXCHANGE)
        child.hear("talk", self._parent.party, began_at)
        self._parent.on_key = None

    def _press(self, key: str) -> None:
        if key == "*" and self._winner is not None:
            self._winner.hang_up(EXCHANGE)

    # --- What came of it ----------------------------------------------------------------------

    def _hear_to_now(self) -> None:
        """The parent has heard it ring up to now, or the talk; as long as those took for the others."""
        skipped_s = sum(max(leg.clock.skipped_s for leg in self._counted(round_)) for round_ in self._rounds)
        self._parent.clock.skip(asyncio.get_running_loop().time(), skipped_s - self._skipped_s)
        self._skipped_s = skipped_s
        since, self._hears_since = self._hears_since, self._parent.on_line()
        if self._talks:
            party = self._winner.party if self._winner is not None else ""
            self._parent.hear("talk", party, since, source=party)
        else:
            self._parent.hear(RINGING, "ringing", since)

    def _counted(self, round_: list[Leg]) -> list[Leg]:
        return [self._winner] if self._winner in round_ else round_

    def _outcome(self) -> Dialled:
        last = self._rounds[-1][-1] if self._rounds and self._rounds[-1] else None
        if self._winner is not None:
            length = None if self._was_taken else self._winner.duration_s
            return Dialled("completed", self._winner.sid, length, self._talks)
        sid = last.sid if last is not None else None
        if isinstance(self._parent.cut, HungUp):
            return Dialled("canceled", sid, None, is_bridged=False)
        statuses = {leg.status for round_ in self._rounds for leg in round_}
        status = next((status for status in UNANSWERED if status in statuses), "failed")
        return Dialled(status, sid, None, is_bridged=False)
