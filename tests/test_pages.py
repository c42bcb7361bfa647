"""The pages of the project: what users may import stands in the reference, made of its docstring."""

from __future__ import annotations

import re
from pathlib import Path

import callbridge
from callbridge import fields, openai_agents, testing

PAGES = Path(__file__).parents[1] / "docs" / "reference"


def test_what_is_offered_stands_in_the_reference() -> None:
    """Each name has its place on one page."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md"))
    shown = re.findall(r"^::: callbridge\.([\w.]+)$", text, re.MULTILINE)
    offered = [
        *callbridge.__all__,
        *(f"fields.{name}" for name in fields.__all__),
        *(f"testing.{name}" for name in testing.__all__),
        *(f"openai_agents.{name}" for name in openai_agents.__all__),
    ]
    assert sorted(shown) == sorted(offered)
