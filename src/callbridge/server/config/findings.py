"""What `callbridge check` finds: each thing that was looked at, with what to do about it.

An error means that no call could be taken; a warning means that calls work, but perhaps not as wished or not
for long. What is looked at stands in `check`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.server.config.setting_problems import Problem


class Level(enum.StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    what: str
    remedy: str = ""
    """What to do about it; nothing where all is well."""

    detail: str = ""
    """Lines to look at, such as a traceback."""


def ok(what: str) -> Finding:
    """All is well there."""
    return Finding(Level.OK, what)


def warning(what: str, remedy: str) -> Finding:
    """Calls work, but perhaps not as wished or not for long."""
    return Finding(Level.WARNING, what, remedy)


def error(what: str, remedy: str, detail: str = "") -> Finding:
    """No call could be taken."""
    return Finding(Level.ERROR, what, remedy, detail)


def as_findings(problems: Iterable[Problem]) -> list[Finding]:
    """The faults of a configuration that cannot be used at all."""
    return [Finding(Level.ERROR, f"{fault.subject} {fault.what}", fault.remedy) for fault in problems]


def as_warnings(doubts: Iterable[Problem]) -> list[Finding]:
    """What may be meant otherwise, and keeps no call from being taken."""
    return [warning(f"{doubt.subject} {doubt.what}", doubt.remedy) for doubt in doubts]


def can_take_calls(findings: Iterable[Finding]) -> bool:
    """Whether none of the findings keeps the service from taking a call."""
    return all(finding.level is not Level.ERROR for finding in findings)
