"""Signals before the server has its own way with them."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from callbridge.cli.development.running import ended_like_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def ignored_hangup() -> Iterator[None]:
    """A process that `nohup` has started."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


def test_sigterm_is_what_ctrl_c_is() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), ended_like_ctrl_c():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.usefixtures("ignored_hangup")
def test_who_is_to_outlive_the_terminal_does() -> None:
    with ended_like_ctrl_c():
        signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
