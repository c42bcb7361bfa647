"""Opens the state that the settings name."""

from __future__ import annotations

import re
import socket
import time
from typing import TYPE_CHECKING

from callbridge.server.config.retention import retention
from callbridge.server.config.worker_settings import MACHINE_LETTERS, MACHINE_MAX
from callbridge.state.neighbours import new_process
from callbridge.state.opening import open_state

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.server.config.settings import Settings
    from callbridge.state.state import State


def opened_state(settings: Settings, wall_clock: Callable[[], float] = time.time) -> State:
    """What survives a process with these settings.

    Blocks until a file or a database was checked.

    Raises:
        StateError: it cannot be used. The message says why and what to do.
    """
    return open_state(
        settings.state_path,
        wall_clock,
        retention(settings),
        process=new_process(machine_name(settings)),
        shared_url=settings.shared_state_url,
        redis_url=None if settings.redis_url is None else settings.redis_url.get_secret_value(),
    )


def machine_name(settings: Settings) -> str:
    """How operators call this machine: by its host name, in letters that a setting may have, or as is set."""
    return settings.machine or re.sub(rf"[^{MACHINE_LETTERS}]", "-", socket.gethostname())[:MACHINE_MAX]
