"""What a world is made of: the sockets of a call as links, and what the bridge does between them.

`Wire` is a session of the model with its socket, `Stream` a media stream with its bridge: it does what
`bridge.Bridge` does, without a loop.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

from callbridge.bridge.key_tones import key_tones
from callbridge.bridge.own_sounds import audio_of
from callbridge.bridge.relay import Relay
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.entrance import Entrance
from callbridge.call.facts import Fact, StreamEnded
from callbridge.call.machine import CallMachine
from callbridge.simulators import voice_model
from callbridge.simulators.link import Link
from callbridge.simulators.phone import Abort, Close, Send, StreamIdentity, StreamSettings
from callbridge.simulators.phone.messages import start as start_message
from callbridge.wire import media_streams, realtime_commands

if TYPE_CHECKING:
    from callbridge.simulators.voice_model import RealtimeSession
    from worlds import World

DEAF_S = 5.0
"""A leg whose peer reads nothing is declared dead by then."""

MUTE_S = 40.0
"""So is one whose peer is silent for 20 s, and then for 20 s does not answer a ping."""

MishapKind = Literal[
    "crash",
    "hand_over",
    "spend_over",
    "shut_down",
    "cut_phone",
    "gap",
    "late_marks",
    "duplicate_start",
    "garbage",
    "binary",
]


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something that befalls the present stream."""

    at_s: float
    kind: MishapKind
    """`crash` kills the process; `cut_phone` is Twilio's socket lost without a word; in a `gap` no media
    comes; `late_marks`: their echoes take longer."""
    seconds: float = 0.0


Delivery: TypeAlias = tuple[Callable[[Any], None], Any]
Line: TypeAlias = Link[Delivery]


SAME_S = 1e-6
"""Moments nearer than this are one. A world is so much late at each step, and its lines are so much shorter:
what takes a multiple of 20 ms then meets the next frame in one step, which halves the steps of a call."""


def line(delay_ms: float, jitter_ms: float, rng: random.Random) -> Line:
    """One direction of a connection."""
    return Link(max(delay_ms - SAME_S * 1000, 0), jitter_ms, rng)


class Wire:
    """One session of the model and its socket."""

    def __init__(self, world: World, number: int, session: RealtimeSession, rng: random.Random) -> None:
        given = world.conditions
        self.world, self.number, self.session = world, number, session
        self.up = line(given.model_delay_ms, given.model_jitter_ms, rng)
        self.down = line(given.model_delay_ms, given.model_jitter_ms, rng)
        self.stream: Stream | None = None
        """Whose it is; nobody's once it was dropped."""
        self.parked: list[str | bytes | e.LegGone] | None = None
        """What it said while nobody read it."""
        self.told: list[tuple[float, realtime_commands.CreateItem]] = []
        """The items that it was told."""

    def open(self) -> None:
        """The client has connected."""
        self._carry_out(self.session.open(self.world.now))

    def wake(self, now: float) -> None:
        """The session's deadline has come."""
        self._carry_out(self.session.wake(now))

    def send(self, frame: bytes) -> None:
        """The service sends something."""
        self.up.send((self._receives, frame), self.world.now)

    def append(self, frame: bytes) -> None:
        """The relay sends caller audio."""
        if self.world.keeps_audio:
            assert self.stream is not None, "caller audio for a session that nobody has"
            self.stream.sent_up.setdefault(self.number, []).append(frame)
        self.up.send((self._receives, frame), self.world.now)

    def close(self) -> None:
        """The service closes the socket, and hears no more of it."""
        self.stream = None
        self.up.send((self._left_by_client, None), self.world.now)

    def _left_by_client(self, _nothing: None) -> None:
        self.session.client_gone("the client left", self.world.now)

    def _receives(self, frame: bytes) -> None:
        self._carry_out(self.session.receive(frame.decode(), self.world.now))

    def _carry_out(self, outputs: list[voice_model.Output]) -> None:
        now = self.world.now
        for output in outputs:
            match output:
                case voice_model.Send(text):
                    self.down.send((self._says, text), now)
                case voice_model.SendBinary(data):
                    self.down.send((self._says, data), now)
                case voice_model.Close(code, reason):
                    self.down.send((self._gone, (code, reason)), now)
                case voice_model.Abort():
                    self.down.send((self._gone, (1006, "")), now)
                case voice_model.Stall():
                    self.world.later(DEAF_S, self._stalled)
                case voice_model.Mute():
                    self.world.later(MUTE_S, partial(self._gone, (1006, "")))

    def _says(self, text: str | bytes) -> None:
        if self.parked is not None:
            self.parked.append(text)
        elif self.stream is not None:
            self.stream.model_said(self, text)

    def _gone(self, how: tuple[int, str]) -> None:
        gone = e.LegGone(e.Leg.MODEL, *how)
        if self.parked is not None:
            self.parked.append(gone)
        elif self.stream is not None:
            self.stream.model_event(self, gone)

    def _stalled(self) -> None:
        if self.stream is not None:
            self.stream.model_event(self, e.LegStalled(e.Leg.MODEL, "it reads nothing"))

    def adopt(self, stream: Stream) -> None:
        """Somebody reads it, from what it has said meanwhile on."""
        self.stream, kept, self.parked = stream, self.parked or [], None
        for said in kept:
            if self.stream is stream:
                if isinstance(said, e.LegGone):
                    stream.model_event(self, said)
                else:
                    stream.model_said(self, said)


class Stream:
    """One media stream and its bridge."""

    def __init__(self, world: World, number: int, rng: random.Random, *, is_continued: bool) -> None:
        given = world.conditions
        self.world, self.number, self.is_continued = world, number, is_continued
        self.identity = StreamIdentity(
            "AC" + "a" * 32, "CA" + "c" * 32, f"MZ{number:032d}", (("token", "good"),)
        )
        self.phone = world.phone_class(self.identity, world.caller, StreamSettings(clips=world.clips))
        self.from_phone = line(given.phone_delay_ms, given.phone_jitter_ms, rng)
        self.to_phone = line(given.phone_delay_ms, given.phone_jitter_ms, rng)
        self.entrance = Entrance(world.now, world.limits, spread=rng.random(), machine=world.make_machine)
        self.relay = Relay(self.entrance.gate, self.entrance.tally, self._send_to_phone)
        self.legs: dict[e.Leg, Wire] = {}
        self.models: dict[e.Leg, str] = {}
        self.dials: dict[e.Leg, int] = {}
        """The dials under way, by number: one that was dropped leads nowhere."""
        self.is_over = self.is_killed = self._is_phone_closed = False
        self.ended: list[tuple[float, StreamEnded]] = []
        self.facts: list[tuple[float, Fact]] = []
        self.clears_sent_at: list[float] = []
        self.received: list[str | bytes] = []
        """The media messages that reached the service."""
        self.sent_up: dict[int, list[bytes]] = {}
        """The caller audio that the relay has sent, by the number of the session."""
        self._wishes: dict[e.Leg, a.CloseLeg] = {}
        self._gap_until = self._late_until = -math.inf
        self._late_s = 0.0
        self.deadline: float | None = None
        self._arm()

    def open(self) -> None:
        """Twilio's socket stands."""
        self.do_phone(self.phone.open(self.world.now))

    def wake_phone(self, now: float) -> None:
        """The phone's deadline has come."""
        self.do_phone(self.phone.wake(now))

    def wake(self, _now: float) -> None:
        """The machine's deadline has come."""
        self.tell(e.DeadlinePassed())

    def do_phone(self, outputs: list[Send | Close | Abort]) -> None:
        """Puts on the wire what the phone says."""
        now = self.world.now
        for output in outputs:
            match output:
                case Send(text, event):
                    if event == "media" and now < self._gap_until:
                        continue
                    if event == "mark" and now < self._late_until:
                        self.world.later(self._late_s, lambda text=text: self.say(text))  # type: ignore[misc]
                        continue
                    self.from_phone.send((self._phone_said, text), now)
                case Close(code, reason):
                    self.from_phone.send((self.tell, e.LegGone(e.Leg.PHONE, code, reason)), now)
                    self.world.phone_ended(self)
                case Abort():
                    # uvicorn reports a vanished peer as 1005.
                    self.from_phone.send((self.tell, e.LegGone(e.Leg.PHONE, 1005)), now)
                    self.world.phone_ended(self)

    def say(self, text: str | bytes) -> None:
        """Something of Twilio's that its core does not say by itself."""
        if self.phone.is_open:
            self.from_phone.send((self._phone_said, text), self.world.now)

    def break_off(self, how: str) -> None:
        """Twilio's socket is lost without a word; both sides notice."""
        if self.phone.is_open:
            self.phone.peer_closed(None, how, self.world.now)
            self.from_phone.send((self.tell, e.LegGone(e.Leg.PHONE, 1005)), self.world.now)
            self.world.phone_ended(self)

    def suffer(self, mishap: Mishap) -> None:
        """A mishap of Twilio's or of the process."""
        now = self.world.now
        match mishap.kind:
            case "hand_over":
                self.tell(e.HandOverRequested())
            case "spend_over":
                self.tell(e.SpendRanOver())
            case "shut_down":
                self.tell(e.ShutdownRequested())
            case "cut_phone":
                self.break_off("the network broke")
            case "gap":
                self._gap_until = now + mishap.seconds
            case "late_marks":
                self._late_until, self._late_s = now + 3.0, mishap.seconds
            case "duplicate_start":
                self.say(start_message(self.identity, 1))
            case "garbage":
                self.say('{"event":"media","media":')
            case "binary":
                self.say(b"\x00\xff" * 80)
            case "crash":
                self.world.crash(self)
            case _:
                assert_never(mishap.kind)

    def _phone_said(self, text: str | bytes) -> None:
        if self.is_over:
            return
        event = self.relay.from_phone(text)
        if self.world.keeps_audio and (event is None or isinstance(event, e.CallerIsLoud | e.CallerWasLoud)):
            self.received.append(text)
        if event is not None:
            self.tell(event)

    @property
    def decider(self) -> Entrance | CallMachine:
        """Who is told what happens: first the entrance, then the call."""
        return self.entrance.call or self.entrance

    def tell(self, event: e.Event) -> None:
        """Hands one event to the machine and performs what it asks for."""
        if self.is_over:
            return
        world = self.world
        actions = self.decider.handle(event, world.now)
        if world.trace is not None:
            world.trace_event(self, event)
        for action in actions:
            if world.trace is not None:
                world.trace_action(self, action)
            self._perform(action)
        if self.ended:
            self._end()
        self._arm()

    def _arm(self) -> None:
        due = self.decider.deadline
        assert due is not None or self.ended, f"{self.decider!r} is not woken any more"
        self.deadline = None if due is None or self.is_over else due[0]

    def _perform(self, action: a.Action) -> None:
        match action:
            case a.SendToPhone(message):
                if isinstance(message, media_streams.Clear):
                    self.clears_sent_at.append(self.world.now)
                self._send_to_phone(media_streams.encode(message))
            case a.SendToModel(command, leg):
                if isinstance(command, realtime_commands.CreateItem):
                    self.legs[leg].told.append((self.world.now, command))
                self.legs[leg].send(realtime_commands.encode(command))
            case a.OpenUplink():
                self.relay.open_uplink()
            case a.PlayClip():
                if self.world.clip:
                    self.relay.play_clip(self.world.clip, self.world.now)
            case a.PlaySound(sound):
                self.relay.play_clip(audio_of(sound), self.world.now)
            case a.PlayKeys(keys, name):
                self.relay.play_clip(key_tones(keys), self.world.now, name)
            case a.Note(fact):
                self._record(fact)
            case _:
                self._perform_on_legs(action)

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
        match action:
            case a.AdmitStream():
                self.world.later(0.001, lambda: self.tell(self.world.admission(self)))
            case a.BeginCall():
                assert self.entrance.call is not None
                self.relay.serve(self.entrance.call)
            case a.DialModel(model, leg):
                self.dials[leg] = self.world.dial(self, model, leg)
            case a.DropModel(leg):
                self._drop(leg)
            case a.SwitchModel():
                self._drop(e.Leg.MODEL)
                wire = self.legs[e.Leg.MODEL] = self.legs.pop(e.Leg.SPARE)
                self.models[e.Leg.MODEL] = self.models.pop(e.Leg.SPARE)
                self.relay.send_to_model = wire.append
            case a.ParkModel(renew_at):
                self.relay.send_to_model = None
                if (parked := self.legs.pop(e.Leg.MODEL, None)) is not None:
                    self.world.park(parked, self.models[e.Leg.MODEL], renew_at)
            case a.RunTool():
                self.world.run_tool(self, action)
            case a.CloseLeg(leg):
                self._wishes[leg] = action
            case _:
                assert_never(action)

    def _record(self, fact: Fact) -> None:
        self.facts.append((self.world.now, fact))
        if isinstance(fact, StreamEnded):
            self.ended.append((self.world.now, fact))
        self.world.journal(fact)

    def connected(self, number: int, told: e.ModelConnected, model: str, wire: Wire) -> None:
        """A dial has led to a session."""
        leg = told.leg
        if self.dials.get(leg) != number or self.is_over:  # Dropped meanwhile: nobody wants it.
            self.world.nobody_wants(wire)
            return
        del self.dials[leg]
        self.legs[leg], self.models[leg] = wire, model
        if leg is e.Leg.MODEL:
            self.relay.send_to_model = wire.append
        self.tell(told)
        if self.legs.get(leg) is wire:
            wire.adopt(self)

    def not_connected(self, number: int, failed: e.ModelDialFailed) -> None:
        """A dial has failed."""
        if self.dials.get(failed.leg) == number:
            del self.dials[failed.leg]
            self.tell(failed)

    def model_said(self, wire: Wire, text: str | bytes) -> None:
        """A session of this call says something."""
        if self.is_over:
            return
        if self.legs.get(e.Leg.MODEL) is wire:
            event = self.relay.from_model(text, self.world.now)
            if event is not None:
                self.tell(event)
        elif self.legs.get(e.Leg.SPARE) is wire:
            self.tell(self.relay.from_spare(text))

    def model_event(self, wire: Wire, event: e.LegGone | e.LegStalled) -> None:
        """Something befell the socket of a session."""
        for leg, held in list(self.legs.items()):
            if held is wire:
                self.tell(replace(event, leg=leg))

    def _drop(self, leg: e.Leg) -> None:
        self.dials.pop(leg, None)
        if leg is e.Leg.MODEL:
            self.relay.send_to_model = None
        if (wire := self.legs.pop(leg, None)) is not None:
            wire.close()

    def _end(self) -> None:
        """Closes what the machine wants to be closed, and all that is left when it waits for nothing more."""
        self.is_over = self.decider.deadline is None
        self.dials.clear()
        if not self._is_phone_closed:
            self._is_phone_closed = True
            wish = self._wishes.get(e.Leg.PHONE, a.CloseLeg(e.Leg.PHONE, 1000, ""))
            self.to_phone.send((self._phone_closed, (wish.code, wish.reason)), self.world.now)
        for leg in tuple(self.legs):
            if self.is_over or leg in self._wishes:
                self._drop(leg)

    def kill(self) -> None:
        """The process is gone, and all that it held with it. The kernel closes its sockets."""
        if self.is_over:
            return
        self.is_over = self.is_killed = True
        self.deadline = None
        for leg in tuple(self.legs):
            self._drop(leg)
        self.dials.clear()
        self.to_phone.send((self._phone_closed, (None, "the process was killed")), self.world.now)

    def _phone_closed(self, how: tuple[int | None, str]) -> None:
        if self.phone.is_open:
            self.phone.peer_closed(*how, self.world.now)
            self.world.phone_ended(self)

    def _send_to_phone(self, frame: bytes) -> None:
        self.to_phone.send((self._phone_gets, frame), self.world.now)

    def _phone_gets(self, frame: bytes) -> None:
        self.do_phone(self.phone.receive(frame.decode(), self.world.now))
