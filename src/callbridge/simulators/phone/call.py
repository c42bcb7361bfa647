"""One simulated call: a caller who dials a voice webhook, from the first ring to the report.

The asyncio shell: what is carried out on the call's leg is the business of `execution`.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from callbridge.simulators.phone import events, webhooks
from callbridge.simulators.phone.call_record import CallRecord
from callbridge.simulators.phone.call_settings import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    FROM_NUMBER,
    TO_NUMBER,
    CallSettings,
)
from callbridge.simulators.phone.execution import Execution
from callbridge.simulators.phone.leg import CALLER, Leg, Redirected, new_sid
from callbridge.simulators.phone.program import Program
from callbridge.simulators.phone.recording import write_recording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

    from callbridge.simulators.phone.caller import Caller
    from callbridge.simulators.phone.report import CallReport
    from callbridge.simulators.phone.steps import Step
    from callbridge.simulators.phone.stream import PhoneStream

__all__ = [
    "ACCOUNT_SID",
    "AUTH_TOKEN",
    "FROM_NUMBER",
    "TO_NUMBER",
    "CallSettings",
    "SimulatedCall",
    "place_call",
]


async def place_call(
    url: str,
    caller: Caller,
    settings: CallSettings | None = None,
    *,
    on_event: Callable[[events.PhoneEvent], None] | None = None,
) -> CallReport:
    """Call the service whose voice webhook is `url`, and report.

    Args:
        url: the number's voice URL.
        caller: who calls, usually a `CallerScript`.
        settings: see `CallSettings`.
        on_event: told what happens while it happens.
    """
    return await SimulatedCall(url, caller, settings, on_event=on_event).run()


class SimulatedCall:
    """One call. For those who want more than the report: `streams` holds the full journals."""

    def __init__(
        self,
        url: str,
        caller: Caller,
        settings: CallSettings | None = None,
        *,
        on_event: Callable[[events.PhoneEvent], None] | None = None,
    ) -> None:
        self.settings = settings or CallSettings()
        self.line = webhooks.Line(
            account_sid=self.settings.account_sid,
            auth_token=self.settings.auth_token,
            call_sid=self.settings.call_sid or new_sid("CA"),
            from_number=self.settings.from_number,
            to_number=self.settings.to_number,
            incoming=self.settings.incoming,
            shared_key=self.settings.shared_key,
            stays_on_this_machine=self.settings.stays_on_this_machine,
        )
        self.leg = Leg(
            self.line,
            pace=self.settings.verb_time,
            misbehaviours=self.settings.misbehaviours,
            on_event=on_event,
        )
        """The call as Twilio has it: what was heard, executed and minded on it."""
        self.placed_at = 0.0
        """On the clock of the event loop."""
        self._caller = caller
        exchange = self.settings.exchange
        line = self.settings.line if exchange is None else exchange.line(self.settings.line)
        numbers = (self.line.from_number, self.line.to_number)
        self._program = Program(url, self.settings.method, numbers, line, rings=exchange is not None)
        self._execution = Execution(self.leg, self._program, self.settings, caller)
        if exchange is not None:
            exchange.enroll(self.leg)

    def __repr__(self) -> str:
        return f"<SimulatedCall {self.line.call_sid} {len(self.streams)} streams>"

    @property
    def streams(self) -> list[PhoneStream]:
        """Every stream of the call, also those that could not be opened."""
        return self.leg.streams

    @property
    def documents(self) -> list[str]:
        """The TwiML that was received."""
        return self.leg.documents

    @property
    def answered_at(self) -> float | None:
        """When the first document came; None when none did, or it rejected the call."""
        return self.leg.answered_at_s

    async def run(self) -> CallReport:
        """Place the call and stay on it to its end."""
        loop, leg = asyncio.get_running_loop(), self.leg
        self.placed_at = loop.time()
        leg.notify(
            events.CallPlaced(self.placed_at, self.line.call_sid, self.line.from_number, self.line.to_number)
        )
        patience = loop.call_at(self.placed_at + self.settings.max_call_s, self.hang_up)
        try:
            async with leg.open(self._report_end):
                status = await self._execution.run(self._first_step())
                over_at = self._execution.cut_at or loop.time()
                leg.end(status)
        finally:
            patience.cancel()
        leg.notify(events.CallEnded(leg.closed_at, leg.status))
        if self.settings.save is not None:
            write_recording(self.settings.save, self.streams)
        times = (self.placed_at, over_at, leg.closed_at)
        return CallRecord(leg, self._caller, self._execution, self.settings, times).report()

    def hang_up(self) -> None:
        """The caller hangs up now, whatever their script says."""
        self.leg.hang_up(CALLER)

    def redirect(self, url: str, method: str = "POST") -> None:
        """Somebody sends the call elsewhere over Twilio's REST API. Nothing happens before it is answered.

        Twilio stops the stream. It still asks `<Connect action>`, and ignores the answer.
        """
        self.leg.send_elsewhere(Redirected(url, method))

    @property
    def requests(self) -> Sequence[httpx.Request]:
        """Every request to a webhook so far, signed: what somebody on the way could have captured."""
        return self.leg.web.sent

    def press(self, digit: str) -> None:
        """The caller presses a key now. Outside a stream only a `<Dial hangupOnStar>` waits for one."""
        self.leg.press(digit)

    def _first_step(self) -> Step:
        document = self.settings.document
        return self._program.begin() if document is None else self._execution.begin_with(document)

    async def _report_end(self) -> None:
        url = self.settings.status_callback_url
        if url is None:
            return
        duration_s = math.ceil(self.leg.clock.on_line(self.leg.closed_at) - self.placed_at)
        parameters = webhooks.ended_parameters(self.line, self.leg.status, duration_s)
        await self.leg.callbacks.post_now(url, "POST", parameters)
