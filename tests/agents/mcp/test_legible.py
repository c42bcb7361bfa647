"""What would make a list illegible goes, and nothing else."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mcp.client", reason="the extra mcp is not installed")

from callbridge.agents.mcp import legible as module
from callbridge.agents.mcp.legible import MARKS_MAX, legible

DEEPEST = 3

texts = st.text(st.sampled_from('[]{}",\\u1\ud83d\ude00'), max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    texts | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


def without(value: Any, deepest: int) -> Any:
    """The value as it is left."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict | list) and not deepest:
        return 0
    if isinstance(value, dict):
        return {without(name, 0): without(part, deepest - 1) for name, part in value.items()}
    return [without(part, deepest - 1) for part in value] if isinstance(value, list) else value


@given(value=values)
def test_what_is_illegible_goes_and_nothing_else(value: Any) -> None:
    """Brackets in texts are none, and both halves of a character are one."""
    text = json.dumps(value).encode()
    with mock.patch.object(module, "NESTED_MAX", DEEPEST):
        left = legible(text)
    assert json.loads(left) == without(value, DEEPEST)
    assert len(left) <= len(text)


def test_one_that_is_full_of_marks_stays_as_it_is() -> None:
    """To look at it would keep all calls waiting."""
    deep = b"[" * 1000
    full = deep + rb'"\ud83d",' * (MARKS_MAX // 3)
    assert legible(deep) != deep
    assert legible(full) == full
