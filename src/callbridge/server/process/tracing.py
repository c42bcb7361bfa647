"""The traces of this process: an observer of facts, from what may leave of a fact to the queue of what is sent.

A fact is stripped first, by the same table as for records; a span is filtered before anybody else sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge import __version__
from callbridge.call.facts import StreamStarted
from callbridge.observe.redaction import redaction
from callbridge.observe.tracing.dialects import spoken_for
from callbridge.observe.tracing.exporting import Exporting, Receiver
from callbridge.observe.tracing.filtering import SpanFilter
from callbridge.observe.tracing.of_calls import READ, SpansOfCalls, is_of_share
from callbridge.records.keeping import Keeping, kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.call.facts import Fact
    from callbridge.observe.tracing.spans import Span
    from callbridge.server.config.settings import Settings


class Tracing:
    """Sends the spans of calls. For the event loop of the calls alone.

    Args:
        settings: which, with how much, and where to.
        wall_now: seconds since 1970.

    Raises:
        TracesError: the extra is not installed.
    """
