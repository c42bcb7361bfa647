"""What `callbridge check` says about the limit of open files: whether it fits the calls that are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.descriptors import Room, needed, per_call
from callbridge.server.config.findings import Finding, error, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings


def check_descriptors(settings: Settings, descriptors: int) -> Iterator[Finding]:
    """Whether `descriptors`, the most that the process may have, are enough for CALLBRIDGE_CALLS_MAX."""
    each = per_call(is_recorded=settings.recordings is not None)
    calls = Room.of(descriptors, settings.calls_max, each).calls_max
    wanted = needed(settings.calls_max, each)
    remedy = f"Raise it to {wanted} (ulimit -n; LimitNOFILE of systemd; --ulimit nofile of docker)"
    if calls == settings.calls_max:
        yield ok(f"the limit of open files allows {calls} calls at once")
    elif calls:
        yield warning(
            f"the limit of open files ({descriptors}) allows {calls} calls at once, not the "
            f"{settings.calls_max} of CALLBRIDGE_CALLS_MAX",
            f"{remedy}, or set CALLBRIDGE_CALLS_MAX={calls}.",
        )
    else:
        yield error(f"the limit of open files ({descriptors}) allows no call at all", f"{remedy}.")
