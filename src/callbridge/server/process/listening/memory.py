"""Memory, set up for many calls: the C library's, and Python's.

Every TLS socket has two large buffers of which only the first pages are ever used. glibc gives such blocks
pages of their own, which cost nothing until they are touched, but stops doing so as soon as one was freed;
from then on they are cut from used memory. Telling it where the limit lies keeps it there: 25 KB a call.
"""

from __future__ import annotations

import ctypes
import gc

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 128 * 1024
"""glibc's own first value."""


def keep_large_blocks_apart() -> bool:
    """Fixes the size from which a block gets pages of its own; false where the C library is not glibc."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # musl has no such function, Windows no such library.
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES))


def spare_what_is_loaded() -> None:
    """Has the collector never look again at what is there by now: modules, which live as long as the process.

    To look at all of it takes 100 ms (measured), in which no audio moves.
    """
    gc.collect()
    gc.freeze()
