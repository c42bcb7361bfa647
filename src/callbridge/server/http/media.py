"""The media socket's door: who may come in, and the bridge that takes over once they are in.

Nothing is dialled and nothing is stored for a socket whose upgrade was not signed. The token comes with
`start` and is checked there, because Twilio allows no query on the address.

Whom somebody else has let in, as the pages of a developer let in a browser, is welcomed at the same door:
from there on nothing tells the two apart.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import structlog
from fastapi import WebSocket, WebSocketDisconnect

from callbridge.agents.languages.texts import clip_of
from callbridge.bridge.bridge import Bridge
from callbridge.bridge.legs.asgi_leg import AsgiLeg
from callbridge.bridge.legs.callback_leg import CallbackLeg
from callbridge.bridge.legs.leg import PHONE_MESSAGE_BYTES_MAX, PHONE_PATIENCE
from callbridge.call.codes import TRY_AGAIN_LATER
from callbridge.call.events import Leg, StreamAdmitted, StreamRefused
from callbridge.call.facts import StreamEnded
from callbridge.call.telephone_facts import TransferAsked
from callbridge.call.wishes import Resume
from callbridge.server.config.addresses import MEDIA_STREAM_PATH
from callbridge.server.config.say import are_for
from callbridge.server.http.about import about, description_in
from callbridge.server.http.entry import denial
from callbridge.server.process.desk import CLAIM_S
from callbridge.server.process.listening.fast_lane import take_over
from callbridge.server.process.measuring.refusals import tell_first
from callbridge.server.process.recalling import shelf_of
from callbridge.server.process.taking import carried, stream_ended
from callbridge.server.process.texting import CallOutside
from callbridge.server.process.within import within
from callbridge.switchboard.continuation import read_facts, read_history
from callbridge.switchboard.sockets import UnStartedSockets
from callbridge.switchboard.spending import SpendLevel
from callbridge.telephony.signed_tokens import Redeemed, Refusal

if TYPE_CHECKING:
    from callbridge.agents.in_call import AgentInCall
    from callbridge.bridge.admitting import Observe
    from callbridge.bridge.legs.asgi_leg import AsgiMessage
    from callbridge.bridge.legs.leg import SocketLeg
    from callbridge.call.facts import Fact
    from callbridge.server.http.trust import Trust
    from callbridge.server.process.desk import Desk
    from callbridge.server.process.recalling import Minutes
    from callbridge.server.process.texting import Texting
    from callbridge.wire.media_streams import StartFacts

READ_S: Final = 0.5
"""How long a caller waits for what is known of their call. With the token, and what is remembered of them,
that is a second and a half of a silence that becomes noticeable at about four. What the token does not take
of its own time is added: an agent who has forgotten all is a poor one."""

SPREAD_STEPS = 1000
"""Retries of calls that failed together are spread over so many moments."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MediaDoor:
    """What every call needs; one per process."""

    desk: Desk
    clip: bytes
    """What the settings name; empty for the built-in ones."""
    observe: Observe
    trust: Trust
    texting: Texting
    sockets: UnStartedSockets[_Visit] = field(default_factory=UnStartedSockets)
    """Those that are not a call yet."""

    def clip_for(self, callers: str | None) -> bytes:
        """What callers of this language hear while the model is waited for."""
        is_theirs = self.clip and are_for(self.desk.settings, callers)
        return self.clip if is_theirs else clip_of(callers)

    async def answer(self, websocket: WebSocket) -> None:
        """One media socket from its upgrade to the end of its call."""
        if not self.trust.accepts_upgrade(websocket, MEDIA_STREAM_PATH):
            await _refuse(websocket, 403)
        else:
            await self.welcome(websocket)

    async def welcome(self, websocket: WebSocket, subprotocol: str | None = None) -> None:
        """The same for a socket that may come in. Its start is still asked for the token of its call.

        Args:
            websocket: not yet accepted.
            subprotocol: the one that is agreed to; Twilio offers none.
        """
        if not self.sockets.may_open(self._awaited):
            self._note_crowd()
            await _refuse(websocket, 503)
        else:
            await self._let_in(_Visit(self)).carry(websocket, subprotocol)

    def _note_crowd(self) -> None:
        desk, event, reason = self.desk, "upgrade_refused", "too many sockets wait for the state"
        tell_first(desk.refused, desk.now(), f"{event}: {reason}", _log.warning, event, reason=reason)

    def _let_in(self, visit: _Visit) -> _Visit:
        gives_way = self.sockets.opened(visit, self._awaited)
        if gives_way is not None:
            gives_way.give_way()
        return visit

    @property
    def _awaited(self) -> int:
        return self.desk.admission.reserved(self.desk.now())


class _Visit:
    """One socket that came in: a call from its admitted start on."""

    def __init__(self, door: MediaDoor) -> None:
        self._door, self._desk = door, door.desk
        self._bridge: Bridge | None = None
        self._phone: SocketLeg | None = None
        self._gives_way = False
        self._agent: AgentInCall | None = None
        self._minutes: Minutes | None = None
        """What is to be remembered of the call when its caller calls again."""
        self._numbers = ("", "")
        """Of the caller, and the called one."""
        self._call_sid: str | None = None
        """The call that it carries; nothing before it is admitted."""
        self._comes_back = True
        """Whether another stream is to follow its end, as far as anybody knows."""
        self._is_free = False
        """What it held was given back."""

    async def carry(self, websocket: WebSocket, subprotocol: str | None) -> None:
        """Carries the call until nothing of it is left."""
        try:
            self._phone = await _phone_leg(websocket, subprotocol)
            if self._gives_way:  # While it was accepted.
                self.give_way()
            await self._make_bridge(self._phone).run()
            if self._minutes is not None and self._agent is not None:
                await self._minutes.close(self._agent)
        finally:
            self._free()
            if self._bridge is not None:
                self._desk.live_calls.left(self._bridge)

    def give_way(self) -> None:
        """Others came, and this one has not begun: it goes at once, so that those who left never pile up."""
        self._gives_way = True
        if self._phone is not None:
            self._phone.cut(TRY_AGAIN_LATER, "it gave way to a newer socket")

    def _free(self) -> None:
        """The stream has ended: its place is free, though the call may stay a while. Again: does nothing."""
        if self._is_free:
            return
        self._is_free = True
        if self._call_sid is None:
            self._door.sockets.settled(self)
        else:
            self._door.texting.ended(self._call_sid, self._agent)
            self._desk.admission.ended(self._call_sid, self._desk.now())
            assert self._bridge is not None
            if self._desk.live_calls.find(self._call_sid) is self._bridge:
                stream_ended(self._desk, self._call_sid, comes_back=self._comes_back)
            self._desk.live_calls.lingers(self._bridge)
            self._desk.live_calls.remove(self._call_sid, self._bridge)

    def _make_bridge(self, phone: SocketLeg) -> Bridge:
        desk = self._desk
        self._bridge = Bridge(
            phone,
            dialer=desk.dialer,
            admit=self._admit,
            observe=self._observe,
            limits=desk.plans.limits,
            waiting=desk.waiting,
            kept=desk.state.flush,
            free=self._free,
            spread=secrets.randbelow(SPREAD_STEPS) / SPREAD_STEPS,
            machine=desk.make_machine,
            wall_now=desk.wall_now,
        )
        self._bridge.relay.passed = desk.metrics.relayed
        return self._bridge

    def _observe(self, fact: Fact) -> None:
        self._door.observe(fact)
        if self._minutes is not None:
            self._minutes(fact)
        if isinstance(fact, StreamEnded):
            self._comes_back = fact.follows == Resume()
        if isinstance(fact, TransferAsked) and fact.is_held:
            assert self._bridge is not None
            self._desk.people.ask(fact, *self._numbers, self._bridge.transfer_told)

    async def _admit(self, start: StartFacts) -> tuple[StreamAdmitted, AgentInCall] | StreamRefused:
        """Checks the token of a stream, uses it up, and takes the place that the webhook has reserved."""
        clock = asyncio.get_running_loop().time
        began_at = clock()
        found = await self._redeem(start)
        if isinstance(found, Refusal):
            return StreamRefused(f"stream token: {found.value}")
        assert self._bridge is not None
        if self._bridge.has_ended:
            # The caller went while the token was judged: what it holds was given back, so it takes no more.
            return StreamRefused("the stream has ended")
        caller, called = self._numbers = _numbers(start)
        if not self._take_place(start.call_sid, caller, continues=found.continues):
            return StreamRefused("the process is about to stop")
        desk = self._desk
        # Without its past the call goes on as well: silence is worse than an agent who has forgotten.
        left_s = READ_S + max(0.0, CLAIM_S - (clock() - began_at))
        events = await within(left_s, desk.state.events(start.call_sid)) or ()
        back = await desk.recalling.begins(start.call_sid, found.agent, caller, events)
        events, self._minutes = back.events, back.minutes
        earlier = [fact for _, fact in read_facts(events)]
        known = about(desk, start.call_sid, caller, called, description_in(earlier), agent=found.agent)
        known = replace(known, earlier=back.earlier)
        texting = self._door.texting
        outside = CallOutside(texting, start.call_sid, caller, called, shelf_of(found.agent, events))
        plan, agent = await desk.plans.open(found.agent, known, earlier, outside)
        texting.begins(outside, agent)
        if agent.recording is not None and desk.recordings is not None:
            relay = self._bridge.relay
            agent.recorder = desk.recordings.recorder(start.call_sid, start.stream_sid, relay)
        self._bridge.clip = self._door.clip_for(desk.plans.language(found.agent))
        self._agent = agent
        if not (found.continues or back.goes_on):
            return StreamAdmitted(plan, caller, called, is_spend_over=self._is_spend_over()), agent
        age_s = desk.wall_now() - min((event.at for event in events), default=desk.wall_now())
        history = read_history(events)
        memory, spent = history.remembered, self._is_spend_over()
        admitted = StreamAdmitted(
            plan, caller, called, True, memory, max(age_s, 0.0), spent, is_back=history.is_back
        )
        return admitted, agent

    def _is_spend_over(self) -> bool:
        """Asked last: what is spent while somebody is waited for counts."""
        return self._desk.spending.level(self._desk.now()) is SpendLevel.CALLS_END

    async def _redeem(self, start: StartFacts) -> Redeemed | Refusal:
        token = start.custom_parameters.get("token")
        desk, (caller, called) = self._desk, _numbers(start)
        found = desk.tokens.check(token, start.call_sid, start.account_sid, caller, called, desk.wall_now())
        if isinstance(found, Redeemed):
            self._door.sockets.vouched_for(self)
            if not await desk.is_first_use(found.digest, found.expires_at):
                return Refusal.USED
        return found

    def _take_place(self, call_sid: str, caller: str, *, continues: bool) -> bool:
        """From here on the socket is a call: one whose webhook another process answered is one as well."""
        desk, now = self._desk, self._desk.now()
        desk.look_around()
        if not desk.admission.started(call_sid, now):
            desk.admission.continue_(call_sid, now)
            if not desk.admission.started(call_sid, now):
                return False
        self._door.sockets.settled(self)
        self._call_sid = call_sid
        assert self._bridge is not None
        desk.live_calls.add(call_sid, self._bridge)
        carried(desk, call_sid, caller, continues=continues)
        return True


def _numbers(start: StartFacts) -> tuple[str, str]:
    """Caller and called, as the webhook had them: the token stands for these two."""
    return start.custom_parameters.get("caller", ""), start.custom_parameters.get("called", "")


async def _refuse(websocket: WebSocket, status: int) -> None:
    deny = denial(websocket.scope, status)
    await deny(websocket.scope, websocket.receive, websocket.send)


async def _phone_leg(websocket: WebSocket, subprotocol: str | None) -> SocketLeg:
    """Accepts the upgrade, in the fast lane where there is one; that agrees to no subprotocol."""
    leg = CallbackLeg(Leg.PHONE, PHONE_MESSAGE_BYTES_MAX, PHONE_PATIENCE)
    if subprotocol is None and take_over(websocket.scope, leg):
        return leg
    await websocket.accept(subprotocol)
    return AsgiLeg(_Socket(websocket), PHONE_PATIENCE)


@dataclass(frozen=True, slots=True)
class _Socket:
    """Starlette's socket with the one exception of its own turned into an ordinary one."""

    websocket: WebSocket

    async def receive(self) -> AsgiMessage:
        return await self.websocket.receive()

    async def send(self, message: AsgiMessage) -> None:
        try:
            await self.websocket.send(message)
        except WebSocketDisconnect as error:
            raise ConnectionError("the peer is gone") from error
