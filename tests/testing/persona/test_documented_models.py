"""What docs/testing.md shows of personas and judges does what it says, against the strict fake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.cli.simulate_text import entries_of
from callbridge.simulators.text_model import TextModel
from callbridge.testing import ExpectationError, Line
from documented import blocks, module_of
from text_models import text_model, text_server, verdicts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.heavy

__all__ = ["text_model", "text_server"]

PAGE = "docs/testing.md"
PERSONA, JUDGE = "A model as the caller", "A judge"


async def test_the_persona_of_the_page(text_model: TextModel, tmp_path: Path) -> None:
    """With the answers of the page itself, as `callbridge simulate text` takes them."""
    written = tmp_path / "answers.json"
    written.write_text(blocks(PAGE, "json")[PERSONA])
    for schema, answers in entries_of(written).items():
        text_model.will_answer(schema, *answers)
    line = Line()
    await module_of(PAGE, PERSONA).test_mia(line)
    assert line.calls[0].goal == "reached"


async def test_the_judge_of_the_page(text_model: TextModel) -> None:
    said = verdicts(("yes", 0.9, (2, "from eight until two")), ("yes", 0.8, None))
    text_model.will(said, verdicts(("yes", 0.9, None), ("yes", 0.5, None)))
    example = module_of(PAGE, JUDGE)
    await example.test_a_judge(Line())
    with pytest.raises(ExpectationError, match="says unsure: The agent never promised"):
        await example.test_a_judge(Line())
