"""One call with I/O: owns the legs, one timer and the tasks; feeds the machine and performs its actions.

Whoever reads a socket only calls a door. A door is synchronous: the event is handled and all its actions are
performed before the next message is looked at. When its stream has ended the phone is closed, and the rest
stays a few seconds for what is late. Then nothing of the call is left: no task, no socket, no timer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, assert_never

import structlog

from callbridge.bridge.agent_side import AgentSide
from callbridge.bridge.alarm import Alarm
from callbridge.bridge.call_legs import CallLegs
from callbridge.bridge.closing import Closing
from callbridge.bridge.keeping import LastEntries, nothing_to_free, nothing_to_keep
from callbridge.bridge.key_tones import key_tones
from callbridge.bridge.own_sounds import audio_of
from callbridge.bridge.relay import Relay
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.entrance import Entrance, MakeMachine
from callbridge.call.fact_base import BaseFact
from callbridge.call.facts import Fact, StreamEnded
from callbridge.call.flood import PhoneRate
from callbridge.call.listening import together
from callbridge.call.machine import CallMachine
from callbridge.call.phases import Phase
from callbridge.wire import media_streams, realtime_commands, realtime_events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from callbridge.agents.in_call import AgentInCall
    from callbridge.bridge.admitting import Admit, Observe
    from callbridge.bridge.legs.leg import Dialer, SocketLeg
    from callbridge.bridge.relay import HearWords
    from callbridge.bridge.waiting import WaitingRoom
    from callbridge.call.limits import Limits
    from callbridge.wire.media_streams import StartFacts


class _CallOver(Exception):  # noqa: N818  # Not an error: how a task group is told to stop.
    """Ends the task group of a call that is over, and with it all its tasks."""


class Bridge:
    """The bridge of one call, made for a phone leg that was accepted."""

    def __init__(
        self,
        phone: SocketLeg,
        *,
        dialer: Dialer,
        admit: Admit,
        observe: Observe,
        limits: Limits | None = None,
        clip: bytes = b"",
        waiting: WaitingRoom | None = None,
        kept: Callable[[], Awaitable[bool]] = nothing_to_keep,
        free: Callable[[], None] = nothing_to_free,
        spread: float = 0.5,
        machine: MakeMachine = CallMachine,
        wall_now: Callable[[], float] = time.time,
    ) -> None:
        """The parts of a call.

        Args:
            phone: Twilio's socket, accepted.
            dialer: opens sessions of the model.
            admit: checks the stream's token, and says what the call is to be.
            observe: gets every fact.
            limits: the bounds of what stands before the call.
            clip: µ-law that the caller hears when the agent has nothing to say yet; empty for none.
            waiting: where a session may wait for this call, and where one is left that it may come back to.
            kept: whether what was observed is written down. Returns when it is, or cannot be.
            free: called once, when its place is free: its stream has ended, and what is late is waited for.
            spread: see `CallMachine`.
            machine: makes the call; called as `CallMachine` is.
            wall_now: seconds since 1970.
        """
        self._loop, self._log = asyncio.get_running_loop(), structlog.get_logger()
        self._entrance = Entrance(self._loop.time(), limits, spread, machine)
        self._phone_rate = PhoneRate(self._entrance.limits)
        self.relay = Relay(self._entrance.gate, self._entrance.tally, phone.send, self._flood_of_frames)
        self._held: dict[e.Leg, SocketLeg] = {e.Leg.PHONE: phone}
        self._closing = Closing(self._held, LastEntries(kept, self._note_at_end), free)
        self._legs = CallLegs(self, self._held, self._closing, dialer, waiting, wall_now)
        self.clip = clip
        """May be another one once it is known who answers."""
        self._kept, self._admit, self._observe = kept, admit, observe
        self._agent: AgentInCall | None = None
        self._side: AgentSide | None = None
        """Who answers: known once the stream is admitted, told and asked once there is a call."""
        self._traces = logging.getLogger().isEnabledFor(logging.DEBUG)
        """Asked once: a debug line that goes nowhere costs as much as a frame of audio."""
        self._follower: HearWords | None = None
        self._watcher: Callable[[realtime_events.ServerEvent], None] | None = None
        """Of the agent: told what the model says, once the core has taken it."""
        self._has_ended = False
        """The stream has: the phone is to be closed, and the call may linger."""
        self._is_over = False
        """Nothing is awaited any more: nobody is told anything."""
        self._woken, self._tasks = asyncio.Event(), asyncio.TaskGroup()
        self._alarm = Alarm(self._woken.set)

    async def run(self) -> None:
        """Carries the call to its end. Returns when nothing of it is left."""
        try:
            await self._run_tasks()
        except asyncio.CancelledError:
            self._tell_from_outside(e.ShutdownRequested())
            raise
        finally:
            self._alarm.stop()
            try:
                await self._closing.close(self._log)
            except asyncio.CancelledError:
                # It is bounded, so it is done all the same: nobody else would close what is left.
                await self._closing.close(self._log)
                raise
            finally:
                self._tell_it_is_closed()

    def _tell_it_is_closed(self) -> None:
        """The last fact: nothing of the call is left. What its tools were at is told before that."""
        if (call := self._entrance.call) is None:
            return
        now = self._loop.time()
        if self._side is not None:
            for finished in self._side.cut_short():
                self._perform(call.handle(finished, now))
        self._perform(call.close(now))

    async def _run_tasks(self) -> None:
        try:
            async with self._tasks:
                self.own(self._keep(), "keeper")
                self._legs.read(e.Leg.PHONE, self.phone_said)
                self._alarm.set_for(self.decider.deadline)
        except* _CallOver:
            pass
        except* Exception as broken:  # noqa: BLE001  # Our fault ends this call and nothing else.
            self._break(broken, repr(broken.exceptions[0]))

    # --- The doors ---

    def phone_said(self, text: str | bytes) -> None:
        """One message of Twilio."""
        event = self.relay.from_phone(text)
        if event is None:
            return
        now = self._loop.time()
        if type(event) is media_streams.MarkEchoed and self.relay.echoed(event.mark.name, now):
            return
        self.tell(self._phone_rate.flood_of(event, now) or event)

    def _flood_of_frames(self, frames: float) -> e.BadMessage | None:
        self.relay.passed("uplink", now := self._loop.time())
        return self._phone_rate.flood_of_frames(frames, now)

    def model_said(self, text: str | bytes) -> None:
        """One event of the model."""
        event = self.relay.from_model(text, self._loop.time())
        if event is not None:
            self.tell(event)
            if self._watcher is not None and isinstance(event, realtime_events.ServerEvent):
                self._watcher(event)

    def spare_said(self, text: str | bytes) -> None:
        """One event of the second session, which has no say in the call yet."""
        self.tell(self.relay.from_spare(text))

    @property
    def call_sid(self) -> str:
        """Twilio's name for the call; empty before its stream has started."""
        return "" if self._entrance.start is None else self._entrance.start.call_sid

    # --- What the process wants ---

    def hand_over(self) -> None:
        """The process will stop: the call is to go on elsewhere, from the end of this turn."""
        self._tell_from_outside(e.HandOverRequested())

    def spend_ran_over(self) -> None:
        """All calls together cost more than they may: this one is to end, in words."""
        self._tell_from_outside(e.SpendRanOver())

    def end_asked(self) -> None:
        """An operator wants this call to end, in words."""
        self._tell_from_outside(e.EndAsked())

    def phone_replaced(self) -> None:
        """Twilio has given this stream up, whatever its socket says."""
        self._tell_from_outside(e.LegGone(e.Leg.PHONE, 1006, "Twilio asked what follows"))

    def caller_hung_up(self) -> None:
        """Twilio says by another way what its `stop` says."""
        self._tell_from_outside(media_streams.Stopped())

    @property
    def frames_heard(self) -> int:
        """How many frames of the caller's audio have come."""
        return self._entrance.tally.frames_from_phone

    @property
    def goes_on(self) -> bool:
        """Whether its stream has begun and not ended."""
        call = self._entrance.call
        return call is not None and call.phase is not Phase.OVER

    @property
    def has_ended(self) -> bool:
        """Whether the stream has: what is left lingers."""
        return self._has_ended

    def transfer_told(self, event: e.TransferTold) -> None:
        """Whoever asks a person for the caller knows what came of it."""
        self._tell_from_outside(event)

    def hear_words(self, hear: HearWords | None) -> None:
        """Who is told the words of both sides as they come, beside the agent; None: nobody."""
        self._follower = hear
        self._share_words()

    def _share_words(self) -> None:
        """With whoever wants them: of most calls that is nobody."""
        agent = None if self._agent is None else self._agent.hearer
        self.relay.hear_words(together((self._follower, agent)))

    def stop(self) -> None:
        """The process stops: what the call still waits for is of no use any more."""
        self._tell_from_outside(e.ShutdownRequested())

    @property
    def runs_tools(self) -> bool:
        """Whether a tool has begun that has not answered."""
        return self._side is not None and self._side.runs_tools

    def _tell_from_outside(self, event: e.Event) -> None:
        if self._is_over:
            return
        try:
            self.tell(event)
        except Exception as broken:  # noqa: BLE001  # Our fault ends this call, and not whoever told it.
            self._break(broken, repr(broken))

    def _break(self, broken: Exception, why: str) -> None:
        """An invariant of ours does not hold: the machine ends the call, as far as it still can."""
        self._log.exception("call_broken", exc_info=broken)
        self._is_over = True
        self._woken.set()
        self._perform(self.decider.fail(why, self._loop.time()))

    # --- The machine ---

    def tell(self, event: e.Event) -> None:
        """Hands one event to the machine and performs what it asks for. Nothing here may await."""
        if self._is_over:  # Also of a machine that broke: it is not asked again.
            return
        if self._traces:
            self._log.debug("<", told=type(event).__name__, decider=repr(self.decider))
        self._perform(self.decider.handle(event, self._loop.time()))
        if self._side is not None:
            self._serve_agent(self._side)
        self._alarm.set_for(self.decider.deadline)
        if self._has_ended and self.decider.deadline is None:
            self._is_over = True
            self._woken.set()

    def _serve_agent(self, side: AgentSide) -> None:
        """Performs what the agent wants, until it wants nothing. A machine that broke is not asked again."""
        while not self._is_over and (wanted := side.take()) is not None:
            now = self._loop.time()
            if isinstance(wanted, BaseFact):
                self._perform(self._call.passed(wanted, now))
            else:
                self._perform(self._call.handle(wanted, now))

    @property
    def decider(self) -> Entrance | CallMachine:
        """Who is told what happens: first the entrance, then the call."""
        return self._entrance.call or self._entrance

    def _note_passing(self, fact: Fact) -> None:
        """What passed by the machine."""
        self._perform(self._call.passed(fact, self._loop.time()))

    def _note_at_end(self, fact: Fact) -> None:
        """What is seen when the stream has ended. A stranger's has no facts."""
        if self._entrance.call is not None:
            self._note_passing(fact)

    @property
    def _call(self) -> CallMachine:
        assert self._entrance.call is not None, "asked before the stream was admitted"
        return self._entrance.call

    def _perform(self, actions: tuple[a.Action, ...]) -> None:
        for action in actions:
            self._perform_one(action)

    def _perform_one(self, action: a.Action) -> None:
        match action:
            case a.SendToPhone(message):
                if self._traces:
                    self._log.debug("> phone", message=type(message).__name__)
                self._held[e.Leg.PHONE].send(media_streams.encode(message))
            case a.SendToModel(command, leg):
                if self._traces:
                    self._log.debug(f"> {leg.value}", command=type(command).__name__)
                self._held[leg].send(realtime_commands.encode(command))
            case a.OpenUplink():
                self.relay.open_uplink()
            case a.PlayClip():
                if self.clip:
                    self.relay.play_clip(self.clip, self._loop.time())
            case a.PlaySound(sound):
                self.relay.play_clip(audio_of(sound), self._loop.time())
            case a.PlayKeys(keys, name):
                self.relay.play_clip(key_tones(keys), self._loop.time(), name)
            case a.Note(fact):
                self._note(fact)
            case _:
                self._perform_on_legs(action)

    def _note(self, fact: Fact) -> None:
        """Whoever follows the call is told, its agent last: it may want something because of it."""
        if isinstance(fact, StreamEnded):  # Before it is told: who hears of it may raise.
            self._has_ended = True
            self._woken.set()
            self._held[e.Leg.PHONE].ignore()
            if self._side is not None:
                self._side.hang_up()
        self._observe(fact)
        # Not once it is over: the agent itself may be what broke, and its end is to be observed all the same.
        if self._side is not None and not self._is_over:
            self._side.told(fact)

    def _perform_on_legs(
        self,
        action: a.AdmitStream
        | a.BeginCall
        | a.DialModel
        | a.DropModel
        | a.SwitchModel
        | a.ParkModel
        | a.RunTool
        | a.CloseLeg,
    ) -> None:
        """The rarer actions: those that begin something, or change what a socket is for."""
        match action:
            case a.AdmitStream(start):
                self._log = self._log.bind(call_sid=start.call_sid, stream_sid=start.stream_sid)
                self.own(self._admit_stream(start), "admission")
            case a.BeginCall():
                call = self._call
                self.relay.serve(call)
                assert self._agent is not None, "the agent comes with the call"
                self._agent.begin(self._tasks)
                self._watcher = self._agent.watcher
                self._share_words()
                self._side = AgentSide(call, self._agent, self._kept, self._note_passing)
                self.own(self._hear_agent(self._side), "agent")
            case a.DialModel(model, leg):
                self._legs.dial(model, leg)
            case a.DropModel(leg):
                self._legs.drop(leg)
            case a.SwitchModel():
                self._legs.switch()
            case a.ParkModel(renew_at):
                self._legs.park(renew_at)
            case a.RunTool():
                self.own(self._run_tool(action), f"tool {action.name}")
            case a.CloseLeg(leg):
                self._closing.wishes[leg] = action
            case _:
                assert_never(action)

    # --- The tasks, all owned by the group ---

    def own(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Makes a task that ends with the call."""
        return self._tasks.create_task(work, name=f"{name} {self.call_sid}".rstrip())

    async def _admit_stream(self, start: StartFacts) -> None:
        found = await self._admit(start)
        if isinstance(found, e.StreamRefused):
            self.tell(found)
        else:
            admitted, self._agent = found
            self.tell(admitted)

    async def _run_tool(self, tool: a.RunTool) -> None:
        assert self._side is not None, "tools come with the call"
        finished = await self._side.run(tool)
        self._serve_agent(self._side)  # What the tool has led to may change what its result is answered by.
        self.tell(finished)

    async def _hear_agent(self, side: AgentSide) -> None:
        """What the agent's own code wants, whenever that is. Of a call that is over nothing is taken."""
        while not self._is_over:
            await side.wanted()
            self._serve_agent(side)
            self._alarm.set_for(self.decider.deadline)

    # --- Time, and the end ---

    async def _keep(self) -> None:
        """Tells every deadline; ends the stream, and all tasks once nothing of the call is awaited."""
        while not self._is_over:
            await self._woken.wait()
            self._woken.clear()
            if self._has_ended:
                await self._end_stream()
            if not self._is_over:
                self._alarm.has_rung()
                self.tell(e.DeadlinePassed())
        # Before the tasks end: a tool that will not be cancelled must not keep the sockets.
        await self._closing.close(self._log)
        raise _CallOver

    async def _end_stream(self) -> None:
        """Closes the legs that are of no more use. Again: does nothing."""
        if not self._is_over:
            self._legs.stop_dials()  # The call stays for what is late, and not for another session.
        await self._closing.close(self._log, self._closing.wishes)
