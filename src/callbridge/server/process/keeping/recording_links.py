"""What is stored of recordings: links to it, and its end. Blocking: a store may be far away.

For the control listener and the command line; nothing here needs a service that runs.
"""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Final

from callbridge.records.recording import links
from callbridge.records.recording.stores import S3Store, checked, opened

if TYPE_CHECKING:
    from callbridge.records.recording.stores import Store
    from callbridge.server.config.settings import Settings


FOR_OTHERS_S: Final = 7 * 24 * 3600.0
"""A week, the longest for which S3 signs."""


def store_of(settings: Settings) -> Store:
    """Where the recordings are.

    Raises:
        ValueError: none are made (`CALLBRIDGE_RECORDINGS`).
        ImportError: the library of the store is not installed; says how to do that.
    """
    place = settings.recordings_place
    if place is None:
        raise ValueError("no recordings are made: set CALLBRIDGE_RECORDINGS to a directory or s3://bucket")
    return _kept(place)


_kept: Final = functools.lru_cache(maxsize=4)(opened)
"""A client of a bucket takes a tenth of a second to make, and any thread may use it."""


def link_to(settings: Settings, name: str, valid_s: float, now: float | None = None) -> str:
    """An address under which anybody can hear a recording for so long. Asks nobody whether there is one.

    In a directory it leads to the control listener; in a bucket, to the store itself.

    Args:
        settings: of the service.
        name: of the recording, as `RecordingStored` has it.
        valid_s: how long it is good, in seconds.
        now: in seconds since 1970.

    Raises:
        ValueError: this is no name of a recording, none are made, or the control listener is off.
        ImportError: the library of the store is not installed.
    """
    store = store_of(settings)
    if isinstance(store, S3Store):
        return store.signed_url(name, valid_s)
    if not settings.control_port:
        raise ValueError("recordings in a directory are heard at the control listener: set its port")
    host = f"[{settings.control_host}]" if ":" in settings.control_host else settings.control_host
    expires_at = int((time.time() if now is None else now) + valid_s)
    base_url = f"http://{host}:{settings.control_port}"
    return links.signed(base_url, links.key_of(settings.own_secret), checked(name), expires_at)


def link_for_others(settings: Settings, name: str) -> str:
    """A link that a receiver of webhooks is told; empty where nobody can be given one."""
    try:
        return link_to(settings, name, FOR_OTHERS_S)
    except (ValueError, ImportError):
        return ""


def delete_recording(settings: Settings, name: str) -> bool:
    """Deletes a stored recording. Whether there was one.

    Raises:
        ValueError: this is no name of a recording, or none are made.
        StoreAwayError: it may still be there.
    """
    return store_of(settings).delete(name)


def overdue(settings: Settings, now: float | None = None) -> list[str]:
    """The names of recordings that were stored longer ago than they are to be kept.

    Raises:
        ValueError: none are made.
        StoreAwayError: nobody knows.
    """
    now = time.time() if now is None else now
    return list(store_of(settings).stored_before(now - settings.recordings_kept_days * 86_400.0))
