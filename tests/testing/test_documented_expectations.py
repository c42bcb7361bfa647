"""The examples of the documents that say what is expected of a call: played, and met."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callbridge.testing import Line
from documented import module_of

NOISE = "Voices and noise"

EXAMPLES = (
    ("README.md", "Test it"),
    ("docs/testing.md", "A call on a line"),
    ("docs/testing.md", "What to expect of a call"),
    ("docs/testing.md", NOISE),
)

module_of("README.md", "Write an agent")  # What its test imports.

TESTS = [
    pytest.param(heading, name, test, id=name, marks=[pytest.mark.heavy] if heading == NOISE else [])
    for document, heading in EXAMPLES
    for name, test in vars(module_of(document, heading)).items()
    if name.startswith("test_")
]


@pytest.mark.parametrize(("heading", "name", "test"), TESTS)
def test_an_example_holds(heading: str, name: str, test: Any) -> None:
    line = Line()
    if (played := test(line)) is not None:
        asyncio.run(played)
    (call,) = line.calls
    call.expect.settle()
