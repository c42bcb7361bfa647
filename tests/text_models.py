"""A strict text model beside a plain test, and the settings with which tests of agents find it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from beside import beside
from callbridge.simulators.text_model import Says, TextModel, serve_text_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.simulators.text_model import TextModelServer


@pytest.fixture(scope="module")
def text_server() -> Iterator[TextModelServer]:
    """A text model on a port of this machine, for all tests of a module."""
    pytest.importorskip("openai", reason="needs pip install 'callbridge[analysis]'")
    with beside(serve_text_model(TextModel())) as server:
        yield server


@pytest.fixture
def text_model(text_server: TextModelServer, monkeypatch: pytest.MonkeyPatch) -> TextModel:
    """The model, as new, where tests of agents find it; it does what `will` and `will_answer` tell it."""
    text_server.model = TextModel()
    monkeypatch.setenv("CALLBRIDGE_ANALYSIS_URL", text_server.base_url)
    monkeypatch.setenv("CALLBRIDGE_TEST_MODEL", "gpt-5-mini")
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    return text_server.model


def turn(says: str = "", keys: str = "", goal: str = "open", *, hangs_up: bool = False) -> Says:
    """What a persona does next."""
    return Says({"says": says, "keys": keys, "hangs_up": hangs_up, "goal": goal})


def verdicts(*told: tuple[str, float, tuple[int, str] | None]) -> Says:
    """What a judge says, criterion by criterion: answer, confidence, and perhaps a turn with words of it."""
    found = [
        {
            "criterion": number,
            "reason": "So it seems.",
            "quotes": [] if quote is None else [{"turn": quote[0], "words": quote[1]}],
            "answer": answer,
            "confidence": confidence,
        }
        for number, (answer, confidence, quote) in enumerate(told, 1)
    ]
    return Says({"verdicts": found})
