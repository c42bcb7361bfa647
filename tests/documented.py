"""The examples of the documents, as modules: what stands under one heading belongs together.

All ```python blocks between a heading and the next one, in their order, are one module.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parents[1]

FILES = {"Write an agent": "bakery"}
"""Modules whose file the text names, because another example imports it."""

_HEADING_OR_BLOCK = re.compile(
    r"^#+ (?P<heading>[^\n]+)$|^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


def blocks(document: str, language: str) -> dict[str, str]:
    """The blocks of one language under each heading that has any, joined.

    Args:
        document: its path in the repository.
        language: what stands behind its three ticks.
    """
    found: dict[str, str] = {}
    heading = ""
    for part in _HEADING_OR_BLOCK.finditer((ROOT / document).read_text(encoding="utf-8")):
        if part["heading"] is not None:
            heading = part["heading"]
        elif part["language"] == language:
            found[heading] = f"{found[heading]}\n\n{part['text']}" if heading in found else part["text"]
    return found


def sources(document: str) -> dict[str, str]:
    """The examples of a document, by their headings."""
    return blocks(document, "python")


def module_of(document: str, heading: str) -> ModuleType:
    """One example, executed as a module of its own."""
    name = name_of(heading)
    module = ModuleType(name)
    sys.modules[name] = module  # Where pydantic looks up what a model's annotations mean.
    source = compile(sources(document)[heading], f"{document}: {heading}", "exec", dont_inherit=True)
    exec(source, vars(module))  # noqa: S102 - the words of our own files
    return module


def example(name: str) -> ModuleType:
    """One of the modules in examples/, new."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # As above.
    spec.loader.exec_module(module)
    return module


def name_of(heading: str) -> str:
    """What the module of an example is called."""
    if heading in FILES:
        return FILES[heading]
    return "documented_" + re.sub(r"\W+", "_", heading.lower()).strip("_")


def written(documents: Iterable[str], folder: Path) -> list[Path]:
    """Writes every example into a file of its own, and says which."""
    files: list[Path] = []
    for document in documents:
        for heading, source in sources(document).items():
            file = folder / f"{name_of(heading)}.py"
            assert not file.exists(), f"two headings are called {heading!r}"
            file.write_text(source, encoding="utf-8")
            files.append(file)
    return files
