"""What one call has used and cost so far: the model, the transcripts, and the line that it keeps open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.bill_facts import Billed
from callbridge.call.price import rounded_up, started
from callbridge.call.usage import Usage, of_response, of_transcript

if TYPE_CHECKING:
    from callbridge.call.bill_facts import Billing
    from callbridge.call.outbox import Outbox
    from callbridge.call.plan import CallPlan
    from callbridge.call.price import Picodollars
    from callbridge.wire import realtime_events


class Bill:
    """The bill of one stream.

    Minutes of the line are added with the next thing that is billed, and at the end: no timer is set for
    them, and nobody is silent for long.

    Args:
        out: where what is new is told; its time is that of the stream's beginning.
        age_s: how long the call had lasted by then.
        is_continued: an earlier stream of it has counted the minutes of the line that had begun.
    """

    def __init__(self, out: Outbox, age_s: float, *, is_continued: bool) -> None:
        self._out = out
        self.usage = Usage()
        self.cost_microdollars = 0
        self._cost: Picodollars = 0
        self._stream_began_at, self._line_began_at = out.now, out.now - age_s
        self._line_minutes_before = started(age_s) if is_continued else 0
        self._minutes = (0, 0)

    def response_done(self, response: realtime_events.Response, plan: CallPlan) -> None:
        """A response is over, however it ended. `plan`: knows the price of the model that made it."""
        self.line_goes_on(plan)
        if response.usage is not None:
            used = of_response(response.usage)
            cost = 0 if plan.price is None else plan.price.cost_picodollars(used)
            self._add(used, cost, "response", response.id, plan.model)

    def transcribed(self, event: realtime_events.CallerTranscript, plan: CallPlan) -> None:
        """The transcript of an utterance has come."""
        used = Usage() if event.usage is None else of_transcript(event.usage)
        if used != Usage():
            price, model = plan.transcription_price, plan.transcription_model
            cost = 0 if price is None else price.cost_picodollars(used)
            self._add(used, cost or 0, "transcription", event.item_id, model)

    def line_goes_on(self, plan: CallPlan) -> None:
        """Adds the minutes of line and stream that were begun meanwhile, where one of them has a price."""
        price, now = plan.line_price, self._out.now
        if price is None:
            return
        line = max(0, started(now - self._line_began_at) - self._line_minutes_before)
        stream = started(now - self._stream_began_at)
        if (line, stream) == self._minutes:
            return
        more_line, more_stream = line - self._minutes[0], stream - self._minutes[1]
        self._minutes = line, stream
        cost = more_line * (price.line or 0) + more_stream * (price.stream or 0)
        self._cost += cost * 1_000_000
        self._note("line", price.name, line_minutes=more_line, stream_minutes=more_stream)

    def _add(self, used: Usage, cost: Picodollars, what: Billing, billed_id: str, model: str) -> None:
        self.usage += used
        self._cost += cost
        self._note(what, model, used=used, billed_id=billed_id)

    def _note(
        self,
        what: Billing,
        priced_as: str,
        *,
        used: Usage | None = None,
        billed_id: str = "",
        line_minutes: int = 0,
        stream_minutes: int = 0,
    ) -> None:
        cost = rounded_up(self._cost)
        more, self.cost_microdollars = cost - self.cost_microdollars, cost
        self._out.note(
            Billed(
                self.usage,
                more,
                what=what,
                priced_as=priced_as,
                billed_id=billed_id,
                used=used,
                line_minutes=line_minutes,
                stream_minutes=stream_minutes,
            )
        )
