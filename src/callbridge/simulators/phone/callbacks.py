"""What Twilio tells beside a call and never in its way: status callbacks, and their faults."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from callbridge.simulators.phone.misbehaviour import Misbehaviour
from callbridge.simulators.phone.twiml import WebAnswer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from collections.abc import Set as AbstractSet

    from callbridge.simulators.phone.webhooks import Webhooks


class Callbacks:
    """The status callbacks of one call, or of the rooms of an account.

    Args:
        web: asks them.
        misbehaviours: late and repeated ones are made here.
        complain: told what Twilio minds of the answers.
    """

    def __init__(
        self,
        web: Webhooks,
        misbehaviours: AbstractSet[Misbehaviour],
        complain: Callable[[int, str], None],
    ) -> None:
        self._web = web
        self._times = 2 if Misbehaviour.CALLBACKS_TWICE in misbehaviours else 1
        self._are_late = Misbehaviour.LATE_CALLBACKS in misbehaviours
        self._complain = complain
        self._late: list[Callable[[], Awaitable[None]]] = []
        self._turn = asyncio.Lock()

    def post(
        self,
        tasks: asyncio.TaskGroup,
        where: tuple[str, str],
        parameters: Mapping[str, str],
        *,
        name: str,
        in_turn: bool = False,
    ) -> None:
        """Tell it beside the call; late ones wait for `post_late`.

        Args:
            tasks: of the call.
            where: URL and method.
            parameters: what is told.
            name: of the event.
            in_turn: not before those are answered that were told in turn before.
        """
        told = partial(self.post_now, *where, parameters)
        if self._are_late:
            self._late.append(told)
        else:
            tasks.create_task(self._in_turn(told) if in_turn else told(), name=f"phone-{name}")

    async def _in_turn(self, told: Callable[[], Awaitable[None]]) -> None:
        # A lock is taken in the order in which it was asked for.
        async with self._turn:
            await told()

    async def post_late(self) -> None:
        """The call is over: tell what is late, the latest first."""
        for told in reversed(self._late):
            await told()
        self._late.clear()

    async def post_now(self, url: str, method: str, parameters: Mapping[str, str]) -> None:
        """Tell it, and wait for the answer."""
        answer = await self._web.ask(url, method, parameters, self._times)
        if not isinstance(answer, WebAnswer):
            self._complain(answer.code, answer.detail)
        elif not 200 <= answer.status < 300:
            self._complain(15003, f"{url} answered {answer.status}")
