"""What was measured on: a figure without its machine says nothing."""

from __future__ import annotations

import datetime as dt
import os
import platform
import ssl
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_PACKAGES: Final = ("uvicorn", "uvloop", "picows", "aiofastnet", "websockets", "msgspec", "fastapi")
_ROOT: Final = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Machine:
    """Hardware and versions."""

    date: str
    processor: str
    cores: int
    kernel: str
    python: str
    openssl: str
    packages: dict[str, str]
    commit: str

    def lines(self) -> list[str]:
        """For people."""
        packages = ", ".join(f"{name} {number}" for name, number in self.packages.items())
        return [
            f"{self.date}, commit {self.commit}",
            f"{self.processor}, {self.cores} cores, Linux {self.kernel}",
            f"Python {self.python}, {self.openssl}, {packages}",
        ]


def this_machine(node: str | None) -> Machine:
    """The machine that this runs on; `node` is the interpreter's path where one takes part."""
    packages = {name: _version(name) for name in _PACKAGES}
    if node is not None:
        packages["Node.js"] = _output(node, "--version").removeprefix("v")
    return Machine(
        date=dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        processor=processor_name(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        python=platform.python_version(),
        openssl=ssl.OPENSSL_VERSION,
        packages=packages,
        commit=_output("git", "-C", str(_ROOT), "rev-parse", "--short", "HEAD"),
    )


def processor_name(cpuinfo: str) -> str:
    """The model in the text of /proc/cpuinfo; the machine's kind where that names none."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _output(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own command lines
            command, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"
