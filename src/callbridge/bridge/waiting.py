"""Sessions of the model that wait for the stream that they are for.

One may be dialled while Twilio still connects its stream, so that the greeting does not wait for two
handshakes; one may stay open after its stream broke off, because the call comes back. Whichever it is waits a
few seconds and is then closed. Nothing is said in it meanwhile.

A session belongs to the room until a call has it in its hands: whatever ends in between, the room closes it.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import structlog

from callbridge.bridge.legs.leg import Dialer, DialError, SocketLeg
from callbridge.call.events import ModelDialFailed

if TYPE_CHECKING:
    from types import TracebackType

WAITS_S: Final = 10.0
"""Twilio opens a stream within a second, and asks what follows a broken one within a few."""

_log = structlog.get_logger()


def _leg_to_come() -> asyncio.Future[SocketLeg]:
    return asyncio.get_running_loop().create_future()


@dataclass(slots=True, eq=False)
class Waiting:
    """One session that waits."""

    model: str
    is_warm: bool
    """It knows the conversation of an earlier stream."""
    renew_at: float | None = None
    """When that stream would have renewed it, in monotonic seconds."""
    leg: asyncio.Future[SocketLeg] = field(default_factory=_leg_to_come)
    """May still be dialled. Cancelled: given up."""
    dial: asyncio.Task[None] | None = None
    is_taken: bool = False
    is_adopted: bool = False
    """A call has the leg, and closes it."""
    has_left: asyncio.Event = field(default_factory=asyncio.Event)
    """It was taken, or is not wanted."""
    is_settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Who took it has its leg, or went away."""

    async def adopt(self) -> SocketLeg:
        """The leg, for whoever took it to close. One who is cancelled here leaves it to the room.

        Raises:
            DialError: it could not be dialled, or was given up because the process stops.
        """
        try:
            await asyncio.wait((self.leg,))
            if self.leg.cancelled():
                raise DialError(ModelDialFailed("given up: the process stops"))
            leg = self.leg.result()
            self.is_adopted = True
            return leg
        finally:
            self.is_settled.set()

    def give_up(self) -> None:
        """Ends its dial, which may take seconds. Does nothing to a leg that is there."""
        if self.dial is not None:
            self.dial.cancel()


class WaitingRoom:
    """The waiting sessions of one process, by CallSid. At the end of its context all are closed."""

    def __init__(self, dialer: Dialer, waits_s: float = WAITS_S) -> None:
        self._dialer = dialer
        self._waits_s = waits_s
        self._waiting: dict[str, Waiting] = {}
        self._tended: set[Waiting] = set()
        """Those that wait, and those that left and are not closed or adopted yet."""
        self._tasks = asyncio.TaskGroup()
        self._is_open = False

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"<WaitingRoom {len(self)} waiting>"

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False
        for call_sid in tuple(self._waiting):
            self._drop(call_sid)
        for waiting in self._tended:
            waiting.give_up()
        # The group is not told of an error: it would cancel those who close what is left.
        await self._tasks.__aexit__(None, None, None)

    def predial(self, call_sid: str, model: str) -> None:
        """Dials the model for a call whose stream is still to come. One session for a call is enough."""
        if not self._is_open or call_sid in self._waiting:
            return
        waiting = Waiting(model, is_warm=False)
        waiting.dial = self._tasks.create_task(self._dial(waiting), name=f"predial {call_sid}")
        # Here and not in the task: one that is cancelled before its first step does nothing at all.
        waiting.dial.add_done_callback(lambda _dial: waiting.leg.cancel())
        self._let_in(call_sid, waiting)

    def park(self, call_sid: str, leg: SocketLeg, model: str, renew_at: float | None = None) -> bool:
        """Keeps the session of a call whose stream broke off, and when it is to be renewed.

        Answers whether it does: a room that is closed leaves the leg to whoever has it.
        """
        if not self._is_open:
            return False
        self._drop(call_sid)
        waiting = Waiting(model, is_warm=True, renew_at=renew_at)
        waiting.leg.set_result(leg)
        self._let_in(call_sid, waiting)
        return True

    def take(self, call_sid: str, model: str) -> Waiting | None:
        """The session that waits for this call, if it is one with `model`. It must then be adopted."""
        waiting = self._waiting.get(call_sid)
        if waiting is None or waiting.model != model:
            return None
        del self._waiting[call_sid]
        waiting.is_taken = True
        waiting.has_left.set()
        return waiting

    def discard(self, call_sid: str) -> None:
        """The call will not need its session."""
        self._drop(call_sid)

    def _let_in(self, call_sid: str, waiting: Waiting) -> None:
        self._waiting[call_sid] = waiting
        self._tended.add(waiting)
        self._tasks.create_task(self._tend(call_sid, waiting), name=f"waiting {call_sid}")

    def _drop(self, call_sid: str) -> None:
        waiting = self._waiting.pop(call_sid, None)
        if waiting is not None:
            waiting.has_left.set()

    async def _dial(self, waiting: Waiting) -> None:
        try:
            waiting.leg.set_result(await self._dialer.dial(waiting.model))
        except Exception as error:  # noqa: BLE001  # A fault of ours ends the call that takes it, not the process.
            waiting.leg.set_exception(error)

    async def _tend(self, call_sid: str, waiting: Waiting) -> None:
        """Stays with a session until a call has it, or closes it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._waits_s):
                await waiting.has_left.wait()
        # Looked up, because it may have been taken in the moment in which its time was over.
        if self._waiting.get(call_sid) is waiting:
            del self._waiting[call_sid]
            _log.info("waiting_session_discarded", call_sid=call_sid)
        if waiting.is_taken:
            await waiting.is_settled.wait()
        if not waiting.is_adopted:
            try:
                await _close(call_sid, waiting)
            except Exception:  # noqa: BLE001  # A fault in closing one session must not end the room of all.
                _log.exception("waiting_session_not_closed", call_sid=call_sid)
        self._tended.discard(waiting)


async def _close(call_sid: str, waiting: Waiting) -> None:
    """Closes what nobody wants, whatever became of it."""
    waiting.give_up()
    await asyncio.wait((waiting.leg,))
    if waiting.leg.cancelled():
        return
    error = waiting.leg.exception()
    if error is None:
        await waiting.leg.result().close(1000, "")
    elif not waiting.is_taken:  # Nobody else was told.
        is_ours = not isinstance(error, DialError)
        _log.warning("predial_failed", call_sid=call_sid, why=str(error), exc_info=error if is_ours else None)
