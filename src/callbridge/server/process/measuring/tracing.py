"""The traces of this process: an observer of facts.

A fact is stripped first, by the same table as for the records; a span is filtered before anybody else sees
it.
"""

from __future__ import annotations

import asyncio
import contextlib
from importlib.metadata import version
from typing import TYPE_CHECKING

from callbridge.call.facts import StreamStarted
from callbridge.observe.redaction import redaction
from callbridge.observe.tracing.dialects import spoken_for
from callbridge.observe.tracing.exporting import Exporting, Receiver, load
from callbridge.observe.tracing.filtering import SpanFilter
from callbridge.observe.tracing.of_calls import READ, SpansOfCalls
from callbridge.observe.tracing.of_loop import span_of_lag
from callbridge.observe.tracing.spans import is_of_share
from callbridge.records.keeping import Keeping, kept

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from callbridge.call.facts import Fact
    from callbridge.observe.loop_watch import LoopWatch
    from callbridge.observe.tracing.spans import Span
    from callbridge.server.config.settings import Settings


class Tracing:
    """Sends the spans of calls. For their event loop alone.

    Args:
        settings: of which calls, with how much, and where to.
        wall_now: seconds since 1970.
    """

    def __init__(self, settings: Settings, wall_now: Callable[[], float]) -> None:
        redacts = redaction(settings.secrets, with_words=settings.trace_words)
        self._settings, self._wall_now = settings, wall_now
        self._keeping = Keeping(words=settings.trace_words, redaction=redacts)
        self._filter = SpanFilter(redacts, with_words=settings.trace_words)
        self._calls = SpansOfCalls()
        self._exporting: Exporting | None = None

    def __call__(self, fact: Fact) -> None:
        """One fact, in the order in which it happened."""
        is_left_out = isinstance(fact, StreamStarted) and not is_of_share(
            fact.call_sid, self._settings.traces_share
        )
        if isinstance(fact, READ) and not is_left_out:
            self._send(self._calls.take(kept(fact, self._keeping), self._wall_now()))

    def loop_lagged(self, lag_s: float, stack: str) -> None:
        """The event loop was late. `stack`: where it was; empty where nobody looked."""
        self._send([span_of_lag(self._wall_now(), lag_s, stack)])

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """For as long as spans are sent. What is left in the end is sent, too, for a bounded time."""
        resource = {"service.version": version("callbridge"), **self._settings.traces_resource}
        receiver = Receiver(self._settings.traces_url, self._settings.traces_headers, resource)
        self._exporting = exporting = Exporting(receiver)
        try:
            yield
        finally:
            self._exporting = None
            await asyncio.to_thread(exporting.close)

    def _send(self, spans: Sequence[Span]) -> None:
        if self._exporting is not None:
            for span in spans:
                self._exporting.send(spoken_for(self._filter(span), self._settings.traces_for))


def open_tracing(
    settings: Settings, wall_now: Callable[[], float], loop_watch: LoopWatch | None = None
) -> Tracing | None:
    """What sends traces; nothing where none are wanted: then nothing of OpenTelemetry is loaded.

    Raises:
        TracesError: the extra is not installed.
    """
    if not settings.traces:
        return None
    load()
    tracing = Tracing(settings, wall_now)
    if loop_watch is not None:
        loop_watch.tell_lags_to(tracing.loop_lagged)
    return tracing


@contextlib.asynccontextmanager
async def sent(tracing: Tracing | None) -> AsyncIterator[None]:
    """For as long as traces are sent, where any are wanted."""
    async with contextlib.nullcontext() if tracing is None else tracing.opened():
        yield
