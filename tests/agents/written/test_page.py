"""What the page about agents without code shows is an agent, and it names every type and reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from callbridge.agents.http.parameters import OfCall
from callbridge.agents.written.flow_tables import WrittenWay
from callbridge.agents.written.form_tables import FieldType
from callbridge.agents.written.reading import read_agent

PAGE = (Path(__file__).parents[3] / "docs" / "agents-without-code.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_is_an_agent(block: str, tmp_path: Path) -> None:
    if "[[mcp_servers]]" in block:
        pytest.importorskip("mcp")
    path = tmp_path / "clinic.toml"
    path.write_text(block if "who = " in block else f'who = "You answer."\n{block}', encoding="utf-8")
    assert read_agent(path, {"BOOKING_KEY": "bk-123456"}).agent.name == "clinic"


def test_every_type_and_reason_is_named() -> None:
    reasons = set(WrittenWay.model_fields) - {"to", "where", "at_least", "below", "source"}
    for name in {*get_args(FieldType), *get_args(OfCall), *reasons}:
        assert f"`{name}`" in PAGE
