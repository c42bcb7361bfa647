"""The limit of open files of this process."""

from __future__ import annotations

import contextlib
import resource
import sys


def raise_limit() -> int:
    """Lets this process have as many descriptors as it may give itself; answers how many it has then."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # macOS names a hard limit that it does not grant.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def limit_to_be() -> int:
    """What `raise_limit` would answer."""
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def _number(limit: int) -> int:
    return sys.maxsize if limit == resource.RLIM_INFINITY else limit
