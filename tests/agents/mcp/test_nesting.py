"""What of a JSON text is nested too deep goes, and nothing else, wherever its pieces end."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("mcp.client", reason="the extra mcp is not installed")

from callbridge.agents.mcp import nesting
from callbridge.agents.mcp.nesting import Shallow

DEEPEST = 3

texts = st.text(st.sampled_from('[]{}",\\é1'), max_size=6)
values: st.SearchStrategy[Any] = st.recursive(
    texts | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
)


def without(value: Any, deepest: int) -> Any:
    """The value, with a 0 in place of what is deeper."""
    if isinstance(value, dict | list) and not deepest:
        return 0
    if isinstance(value, dict):
        return {name: without(part, deepest - 1) for name, part in value.items()}
    return [without(part, deepest - 1) for part in value] if isinstance(value, list) else value


@given(value=values, is_ascii=st.booleans(), piece=st.integers(1, 9))
def test_what_is_too_deep_goes_and_nothing_else(value: Any, is_ascii: bool, piece: int) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii).encode()
    with mock.patch.object(nesting, "NESTED_MAX", DEEPEST):
        shallow = Shallow()
        left = b"".join(shallow.of(text[at : at + piece]) for at in range(0, len(text), piece))
    assert json.loads(left) == without(value, DEEPEST)
    if without(value, DEEPEST) == value:
        assert left == text
