"""The JSON Schema that editors are given is that of what is read, and takes the examples."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # It ships no types.
import pytest

from callbridge.agents.written import file_model
from callbridge.agents.written.faults import PATTERNS

SHIPPED = Path(file_model.__file__).with_name("agent.schema.json")
EXAMPLES = [
    path
    for path in sorted((Path(__file__).parents[3] / "examples").glob("**/*.toml"))
    if not path.name.endswith(".script.toml")  # What a simulated model says.
    and path.name != "webhooks.toml"  # Who is told of calls.
]


def test_what_is_shipped_is_what_is_read(request: pytest.FixtureRequest) -> None:
    """`pytest --rewrite` writes it anew."""
    schema = json.dumps(file_model.json_schema(), indent=2, ensure_ascii=False) + "\n"
    if request.config.getoption("--rewrite"):
        SHIPPED.write_text(schema, encoding="utf-8")
    assert SHIPPED.read_text(encoding="utf-8") == schema


def test_every_pattern_is_told_in_words() -> None:
    """Nobody who writes a file reads regular expressions."""
    found = set[str]()

    def look(node: Any) -> None:
        if isinstance(node, dict):
            found.update(value for key, value in node.items() if key == "pattern" and isinstance(value, str))
            found.update(node.get("patternProperties", {}))
            for part in node.values():
                look(part)
        elif isinstance(node, list):
            for part in node:
                look(part)

    look(file_model.json_schema())
    assert found == set(PATTERNS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_fit(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    _validator().validate(tomllib.loads(text))
    named = text.splitlines()[0].removeprefix("#:schema ")
    assert (path.parent / named).resolve() == SHIPPED.resolve()


@pytest.mark.parametrize(
    "text",
    [
        'greeting = "Who answers?"',
        'who = "x"\nwo = "x"',
        'who = "x"\nturn_detection = { type = "server_vad", eagerness = "low" }',
        'who = "x"\n[[tools]]\nname = "a b"\ndescription = "x"\nurl = "x"',
        'who = "x"\n[[tools]]\nname = "a"\ndescription = "x"\nurl = "x"\nparameters.x.type = "int"',
    ],
)
def test_what_does_not_fit_is_marked(text: str) -> None:
    assert not _validator().is_valid(tomllib.loads(text))


def test_every_key_says_what_it_is() -> None:
    schema = file_model.json_schema()
    tables = [schema, *schema["$defs"].values()]
    undescribed = [
        f"{table['title']}.{name}"
        for table in tables
        for name, key in table["properties"].items()
        if not key.get("description") and name != "type"
    ]
    assert undescribed == []


def _validator() -> Any:
    return jsonschema.Draft202012Validator(json.loads(SHIPPED.read_text(encoding="utf-8")))
