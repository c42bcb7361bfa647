"""`POST /calls/{sid}/end` and `/calls/{sid}/hand-over`: what an operator wants of a live call.

The process that is asked need not be the one that carries the call: then that one is told, through the state
that both share.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from fastapi.responses import Response

from callbridge.server.http.openapi import JSON, Operation
from callbridge.server.http.recorded_calls import Refusal, refusal
from callbridge.server.process.tellings import END, HAND_OVER, is_on
from callbridge.server.process.within import within
from callbridge.switchboard.continuation import read_history

if TYPE_CHECKING:
    from fastapi import Request

    from callbridge.server.process.desk import Desk

END_PATH: Final = "/calls/{sid}/end"
HAND_OVER_PATH: Final = "/calls/{sid}/hand-over"

READ_S: Final = 3.0
"""How long an operator waits, who is not told that there is no such call because a database is slow."""


class Ordered(msgspec.Struct, frozen=True):
    """What was wanted is on its way: a goodbye is said first, and a turn ends before a call moves."""

    call_sid: str
    carried_by: Literal["this process", "another process"]


@dataclass(frozen=True, slots=True)
class Orders:
    """The endpoints."""

    desk: Desk

    async def end(self, request: Request) -> Response:
        """The agent says goodbye, and the call ends."""
        return await self._pass_on(request.path_params["sid"], END)

    async def hand_over(self, request: Request) -> Response:
        """The stream ends with this turn, and the call goes on with the process that Twilio asks next."""
        return await self._pass_on(request.path_params["sid"], HAND_OVER)

    async def _pass_on(self, call_sid: str, what: str) -> Response:
        desk = self.desk
        call = desk.live_calls.find(call_sid)
        if call is not None:
            call.end_asked() if what == END else call.hand_over()
            return _ordered(Ordered(call_sid, "this process"))
        known = None if desk.state.trouble else await within(READ_S, desk.state.events(call_sid))
        if known is None or desk.state.trouble is not None:
            reason = desk.state.trouble or "The state does not answer in time."
            why = f"This process does not carry the call, and cannot tell another one: {reason}"
            return refusal(HTTPStatus.SERVICE_UNAVAILABLE, why)
        if not is_on(read_history(known)):
            return refusal(HTTPStatus.NOT_FOUND, "No such call is live, here or in another process.")
        desk.state.tell_carrier(call_sid, what)
        return _ordered(Ordered(call_sid, "another process"))


def _ordered(answer: Ordered) -> Response:
    return Response(msgspec.json.encode(answer), HTTPStatus.ACCEPTED, media_type=JSON)


def order_operations() -> tuple[Operation, Operation]:
    """What can be asked, in the order of the endpoints: to end a call, to hand it over."""
    end = "Have a live call end, after the agent's goodbye."
    hand_over = "Have a live call go on with the process that Twilio asks next."
    return _order(END_PATH, end), _order(HAND_OVER_PATH, hand_over)


def _order(path: str, summary: str) -> Operation:
    return Operation(
        method="POST",
        path=path,
        summary=summary,
        answer=Ordered,
        status=HTTPStatus.ACCEPTED,
        refusals={404: Refusal, 503: Refusal},
    )
