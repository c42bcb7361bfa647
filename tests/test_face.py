"""What users import, and that an agent's module brings no server along."""

from __future__ import annotations

import subprocess
import sys

import pytest

import callbridge


def test_what_is_offered_is_there() -> None:
    assert {name for name in callbridge.__all__ if callable(getattr(callbridge, name))} == set(
        callbridge.__all__
    )
    with pytest.raises(AttributeError, match="no attribute 'create_ap'"):
        callbridge.create_ap  # noqa: B018 - that is what is tested


def test_an_agent_brings_no_server_along() -> None:
    """It takes half a second: until `create_app` is asked for, nothing of the server is imported."""
    program = "import sys, callbridge; assert 'fastapi' not in sys.modules; callbridge.create_app"
    subprocess.run([sys.executable, "-c", f"{program}; assert 'fastapi' in sys.modules"], check=True)  # noqa: S603 - our own words
