"""Values that are put into the inputs of calls, and must be in no output: searched for when a session ends.

A plugin of pytest. Each process of a session looks through the files that its own tests have left: logs,
state files, databases, spooled files. What tests write as an input (settings, agents) is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NUMBER: Final = "+15550138471"
"""Of whoever calls in the end-to-end tests, unless they say otherwise."""

WORDS: Final = "a heron sleeps under the violet bridge"
"""What a caller says."""

ANSWER: Final = "the lighthouse keeper sold eleven umbrellas"
"""What an agent says."""

GIVEN: Final = "nineteen marmalade kites"
"""What a tool is asked with."""

RESULT: Final = "octopus ink on the ledger"
"""What a tool answers."""

HEADER: Final = "quartz-thimble-harmonica"
"""What a stranger's header says, or a parameter that nobody knows."""

KEYS: Final = "730915264"
CARD: Final = "4539578763621486"
API_KEY: Final = "sk-canary-of-the-model-0123456789"
AUTH_TOKEN: Final = "canary-auth-token-of-a-test-account"
TOKEN: Final = "canary-secret-of-another-service"
"""Of a setting of the operator's own."""

_SPELT: Final = {
    "the caller's number": (NUMBER[1:], "+1 555 013 8471", "555-013-8471"),
    "the caller's words": (WORDS,),
    "the agent's words": (ANSWER,),
    "a tool's arguments": (GIVEN,),
    "a tool's result": (RESULT,),
    "a header": (HEADER,),
    "keys": (KEYS,),
    "a card": (CARD, " ".join(CARD[i : i + 4] for i in range(0, 16, 4))),
    "the model's key": (API_KEY,),
    "the auth token": (AUTH_TOKEN,),
    "a secret": (TOKEN,),
}

_BYTES_MAX: Final = 64 * 1024 * 1024
_FOUND: Final = pytest.StashKey[list[str]]()


def found_in(data: str | bytes) -> list[str]:
    """The names of those that stand in it."""
    data = data.encode() if isinstance(data, str) else data
    return [name for name, spelt in _SPELT.items() if any(one.encode() in data for one in spelt)]


def leaks(folder: Path) -> Iterator[str]:
    """What stands in the files below a folder, each in a few words."""
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_file() or _is_input(file):
            continue
        with file.open("rb") as opened:
            found = found_in(opened.read(_BYTES_MAX))
        yield from (f"{name}: {file}" for name in found)


def _is_input(file: Path) -> bool:
    return file.name.startswith(".env") or file.suffix in {".py", ".toml", ".env"}


# --- The plugin ---------------------------------------------------------------------------------------


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Looks through the files of this process; the one that reports gets to know of those of the others."""
    config = session.config
    factory = getattr(config, "_tmp_path_factory", None)
    found = config.stash.setdefault(_FOUND, [])
    if factory is not None and factory._basetemp is not None:
        found += leaks(factory.getbasetemp())
    output = getattr(config, "workeroutput", None)
    if output is not None:
        output["canaries"] = found
    elif found:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """A worker has ended."""
    config: pytest.Config = node.config  # type: ignore[attr-defined]  # xdist tells no types.
    config.stash.setdefault(_FOUND, []).extend(getattr(node, "workeroutput", {}).get("canaries", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what was found, and where."""
    if found := config.stash.get(_FOUND, []):
        terminalreporter.section("canaries in what the tests have left", red=True)
        for line in sorted(set(found)):
            terminalreporter.line(line)
