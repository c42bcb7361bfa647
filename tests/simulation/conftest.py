"""`--seed` plays one call and nothing else of this folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what does not take its seeds from the command line."""
    if config.getoption("seed") is None:
        return
    ours = [item for item in items if "simulation" in item.path.parts and "chunk" not in item.fixturenames]  # type: ignore[attr-defined]
    config.hook.pytest_deselected(items=ours)
    items[:] = [item for item in items if item not in ours]
