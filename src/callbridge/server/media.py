"""The media socket's door: who may come in, and the bridge that takes over once they are in.

Nothing is dialled and nothing is stored for a socket whose upgrade was not signed. The token comes with
`start` and is checked there, because Twilio allows no query on the address.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from fastapi import Response, WebSocket, WebSocketDisconnect

from callbridge.bridge.asgi_leg import AsgiLeg
from callbridge.bridge.bridge import Bridge
from callbridge.bridge.callback_leg import CallbackLeg
from callbridge.bridge.legs import PHONE_MESSAGE_BYTES_MAX, Patience
from callbridge.call.actions import Leg, StreamAdmitted, StreamRefused
from callbridge.server.fast_lane import take_over
from callbridge.telephony.signatures import SIGNATURE_HEADER
from callbridge.telephony.tokens import PendingCall

if TYPE_CHECKING:
    from callbridge.agents.tools import Toolbox
    from callbridge.bridge.asgi_leg import AsgiMessage
    from callbridge.bridge.bridge import Observe
    from callbridge.bridge.dialer import ModelDialer
    from callbridge.bridge.legs import SocketLeg
    from callbridge.call.limits import Limits
    from callbridge.call.plan import CallPlan
    from callbridge.server.webhooks import Telephone
    from callbridge.wire.media_streams import StartFacts

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class MediaDoor:
    """What every call needs; one per process."""

    telephone: Telephone
    plan: CallPlan
    toolbox: Toolbox
    dialer: ModelDialer
    observe: Observe
    limits: Limits | None = None

    async def answer(self, websocket: WebSocket) -> None:
        """One media socket from its upgrade to the end of its call."""
        if not self.telephone.is_genuine_upgrade(websocket.headers.get(SIGNATURE_HEADER)):
            _log.warning("upgrade_refused", reason="wrong signature")
            # A close before accept would lose its code; the denial is an HTTP status that Twilio
            # shows as error 31920.
            await websocket.send_denial_response(Response(status_code=403))
            return
        bridge = Bridge(
            await _phone_leg(websocket),
            plan=self.plan,
            toolbox=self.toolbox,
            dialer=self.dialer,
            admit=self._admit,
            observe=self.observe,
            limits=self.limits,
        )
        await bridge.run()

    def _admit(self, start: StartFacts) -> StreamAdmitted | StreamRefused:
        token = start.custom_parameters.get("token")
        now = self.telephone.now()
        found = self.telephone.tokens.redeem(token, start.call_sid, start.account_sid, now)
        if isinstance(found, PendingCall):
            return StreamAdmitted(found.caller, found.called)
        return StreamRefused(f"stream token: {found.value}")


async def _phone_leg(websocket: WebSocket) -> SocketLeg:
    """Accepts the upgrade, in the fast lane where there is one."""
    leg = CallbackLeg(Leg.PHONE, PHONE_MESSAGE_BYTES_MAX, Patience())
    if take_over(websocket.scope, leg):
        return leg
    await websocket.accept()
    return AsgiLeg(_Socket(websocket))


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
