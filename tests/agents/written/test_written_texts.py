"""What an agent's file says of text messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.agents.fault import AgentError
from callbridge.agents.written.reading import read_agent

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.agents.agent import Agent

FILE = """
who = "You answer for a shop."

[texts]
words_max = 100
to_captured = "visit.mobile"
confirm = true

[texts.templates]
address = "1 Quay Street, {visit.day}."

[capture.visit.fields]
day = { type = "date" }
mobile = { type = "phone" }
"""


TOOL = """
allow = ["https://shop.example"]

[[tools]]
name = "send_text"
description = "Ours."
url = "https://shop.example/text"

[texts]
"""


def read(folder: Path, text: str = FILE) -> Agent:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8")
    return read_agent(path, {}).agent


def test_a_file_lets_its_agent_send_texts(tmp_path: Path) -> None:
    texts = read(tmp_path).texts
    assert texts is not None
    assert texts.templates == {"address": "1 Quay Street, {visit.day}."}
    assert (texts.words_max, texts.to_captured, texts.confirm) == (100, "visit.mobile", True)
    assert read(tmp_path, FILE.replace("[texts]", "[other]").split("[other]")[0]).texts is None


@pytest.mark.parametrize(
    ("part", "instead", "why"),
    [
        ("words_max = 100", "words_max = 2000", "words_max"),
        ("{visit.day}", "{visit.day:x}", "is no field"),
        ('"visit.mobile"', '"visit.day"', "must be a PhoneNumber"),
        ("address =", "Address =", "texts.templates"),
        ("\n[texts]\n", TOOL, "two tools named send_text"),
    ],
)
def test_what_cannot_be_is_said(tmp_path: Path, part: str, instead: str, why: str) -> None:
    with pytest.raises(AgentError, match=why):
        read(tmp_path, FILE.replace(part, instead))
