"""One call with I/O: owns the two legs, one timer and the tasks; feeds the machine and performs its actions.

Whoever reads a socket only calls a door. A door is synchronous: the event is handled and all its actions are
performed before the next message is looked at. When the call is over nothing of it is left: no task, no
socket, no timer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, assert_never

import structlog

from callbridge.bridge.legs import Dialer, DialError, Read, SocketLeg
from callbridge.bridge.relay import Relay
from callbridge.call import actions as a
from callbridge.call.facts import CallEnded, Fact
from callbridge.call.machine import Call
from callbridge.wire import media_streams, realtime_commands

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from callbridge.agents.tools import Toolbox
    from callbridge.call.limits import Limits
    from callbridge.call.plan import CallPlan
    from callbridge.wire.media_streams import StartFacts

Admit: TypeAlias = Callable[["StartFacts"], a.StreamAdmitted | a.StreamRefused]
"""Checks a stream's token and uses it up."""

Observe: TypeAlias = Callable[[Call, Fact], None]
"""Gets every fact of every call as it happens: the log, the demo, a test."""


class _CallOver(Exception):  # noqa: N818  # Not an error: how a task group is told to stop.
    """Ends the task group of a call that is over, and with it all its tasks."""


class Bridge:
    """The bridge of one call, made for a phone leg that was accepted."""

    def __init__(
        self,
        phone: SocketLeg,
        *,
        plan: CallPlan,
        toolbox: Toolbox,
        dialer: Dialer,
        admit: Admit,
        observe: Observe,
        limits: Limits | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.call = Call(plan, self._loop.time(), limits)
        self._relay = Relay(self.call, phone.send)
        self._legs: dict[a.Leg, SocketLeg] = {a.Leg.PHONE: phone}
        self._close_with: dict[a.Leg, a.CloseLeg] = {}
        self._closed: set[a.Leg] = set()
        self._toolbox, self._dialer, self._admit, self._observe = toolbox, dialer, admit, observe
        self._log = structlog.get_logger()
        self._traces = logging.getLogger().isEnabledFor(logging.DEBUG)
        """Asked once: a debug line that goes nowhere costs as much as a frame of audio."""
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None
        self._is_over = False
        self._woken = asyncio.Event()
        self._tasks = asyncio.TaskGroup()

    async def run(self) -> None:
        """Carries the call to its end. Returns when nothing of it is left."""
        try:
            await self._run_tasks()
        except asyncio.CancelledError:
            self._tell(a.ShutdownRequested())
            raise
        finally:
            self._disarm_timer()
            await self._close_legs()

    async def _run_tasks(self) -> None:
        try:
            async with self._tasks:
                self._own(self._keep(), "keeper")
                self._own_leg(a.Leg.PHONE, self.phone_said)
                self._arm_timer()
        except* _CallOver:
            pass
        except* Exception as broken:  # noqa: BLE001  # Our fault ends this call and nothing else.
            self._log.exception("call_broken", exc_info=broken)
            self._perform(self.call.fail(repr(broken.exceptions[0]), self._loop.time()))

    # --- The doors ---

    def phone_said(self, text: str | bytes) -> None:
        """One message of Twilio."""
        event = self._relay.from_phone(text)
        if event is not None:
            self._tell(event)

    def model_said(self, text: str | bytes) -> None:
        """One event of the model."""
        event = self._relay.from_model(text, self._loop.time())
        if event is not None:
            self._tell(event)

    # --- The machine ---

    def _tell(self, event: a.Event) -> None:
        """Hands one event to the machine and performs what it asks for. Nothing here may await."""
        if self._traces:
            self._log.debug("<", told=type(event).__name__, phase=self.call.phase.value)
        self._perform(self.call.handle(event, self._loop.time()))
        self._arm_timer()

    def _perform(self, actions: tuple[a.Action, ...]) -> None:
        answers = [answer for action in actions if (answer := self._perform_one(action)) is not None]
        for answer in answers:  # Only when all actions are performed may the next event be fed.
            self._tell(answer)

    def _perform_one(self, action: a.Action) -> a.Event | None:
        match action:
            case a.SendToPhone(message):
                if self._traces:
                    self._log.debug("> phone", message=type(message).__name__)
                self._legs[a.Leg.PHONE].send(media_streams.encode(message))
            case a.SendToModel(command):
                if self._traces:
                    self._log.debug("> model", command=type(command).__name__)
                self._legs[a.Leg.MODEL].send(realtime_commands.encode(command))
            case a.OpenUplink():
                self._relay.open_uplink()
            case a.AdmitStream(start):
                self._log = self._log.bind(call_sid=start.call_sid, stream_sid=start.stream_sid)
                return self._admit(start)
            case a.DialModel():
                self._own(self._dial(), "model dial")
            case a.RunTool():
                self._own(self._run_tool(action), f"tool {action.name}")
            case a.CloseLeg(leg):
                self._close_with[leg] = action
            case a.Record(fact):
                self._observe(self.call, fact)
                if isinstance(fact, CallEnded):
                    self._is_over = True
                    self._woken.set()
            case _:
                assert_never(action)
        return None

    # --- The tasks, all owned by the group ---

    def _own(self, work: Coroutine[None, None, None], name: str) -> None:
        self._tasks.create_task(work, name=f"{name} {self.call.call_sid}".rstrip())

    def _own_leg(self, leg: a.Leg, door: Read) -> None:
        self._own(self._read(leg, door), f"{leg.value} reader")
        self._own(self._write(leg), f"{leg.value} writer")

    async def _read(self, leg: a.Leg, door: Read) -> None:
        self._tell(await self._legs[leg].read(door))

    async def _write(self, leg: a.Leg) -> None:
        self._tell(a.LegStalled(leg, await self._legs[leg].write()))

    async def _dial(self) -> None:
        try:
            model = await self._dialer.dial()
        except DialError as error:
            self._tell(error.event)
            return
        self._legs[a.Leg.MODEL] = model
        self._relay.send_to_model = model.send
        self._tell(a.ModelConnected())
        self._own_leg(a.Leg.MODEL, self.model_said)

    async def _run_tool(self, tool: a.RunTool) -> None:
        began_at = self._loop.time()
        # Whatever the tool logs, or anybody logs of it, belongs to this call.
        with structlog.contextvars.bound_contextvars(
            call_sid=self.call.call_sid, stream_sid=self.call.stream_sid
        ):
            result = await self._toolbox.run(tool.name, tool.arguments, tool.timeout_s)
        duration_ms = round((self._loop.time() - began_at) * 1000)
        self._tell(
            a.ToolFinished(tool.call_id, tool.name, result.output, duration_ms, ends_call=result.ends_call)
        )

    # --- Time, and the end ---

    async def _keep(self) -> None:
        """Tells every deadline, and ends all tasks once the call is over."""
        while not self._is_over:
            await self._woken.wait()
            self._woken.clear()
            if not self._is_over:
                self._armed_for = None
                self._tell(a.DeadlinePassed())
        # Before the tasks end: a tool that will not be cancelled must not keep the sockets.
        await self._close_legs()
        raise _CallOver

    def _arm_timer(self) -> None:
        """One timer per call, moved only when the deadline did."""
        deadline = self.call.deadline
        at = deadline[0] if deadline else None
        if at == self._armed_for:
            return
        self._disarm_timer()
        if at is not None:
            self._armed_for = at
            self._timer = self._loop.call_at(at, self._woken.set)

    def _disarm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._armed_for = None

    async def _close_legs(self) -> None:
        """Closes every leg that is not closed yet: a dial may succeed while the phone is being closed."""
        async with asyncio.TaskGroup() as closing:
            for leg in self._legs.keys() - self._closed:
                closing.create_task(self._close_leg(leg), name=f"{leg.value} close")

    async def _close_leg(self, leg: a.Leg) -> None:
        # The machine says nothing of a model leg that opened after the end.
        wish = self._close_with.get(leg, a.CloseLeg(leg, 1000, ""))
        await self._legs[leg].close(wish.code, wish.reason)
        self._closed.add(leg)
