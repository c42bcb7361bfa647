"""The examples of docs/testing.md that say what is expected of a call: played, and met."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callbridge.testing import Line
from documented import module_of

HEADINGS = ("A call on a line", "What to expect of a call", "Voices and noise")

TESTS = [
    (heading, name, test)
    for heading in HEADINGS
    for name, test in vars(module_of("docs/testing.md", heading)).items()
    if name.startswith("test_")
]


@pytest.mark.parametrize(("heading", "name", "test"), TESTS, ids=[name for _, name, _ in TESTS])
def test_an_example_holds(heading: str, name: str, test: Any) -> None:
    line = Line()
    if (played := test(line)) is not None:
        asyncio.run(played)
    (call,) = line.calls
    call.expect.settle()
