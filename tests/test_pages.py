"""The pages of the project: what users may import stands in the reference, made of its docstring."""

from __future__ import annotations

import re
from pathlib import Path

import callbridge
from callbridge import fields

PAGES = Path(__file__).parents[1] / "docs" / "reference"


def test_what_is_offered_stands_in_the_reference() -> None:
    """Each name has its place on one page."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES.glob("*.md"))
    shown = re.findall(r"^::: callbridge\.([\w.]+)$", text, re.MULTILINE)
    assert sorted(shown) == sorted([*callbridge.__all__, *(f"fields.{name}" for name in fields.__all__)])
