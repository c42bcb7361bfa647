"""`callbridge check`: is the configuration fit for a call?"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from callbridge.agents.loading import load_agent
from callbridge.server.config import check as judge
from callbridge.server.config.findings import Finding, Level, can_take_calls
from callbridge.server.process.descriptors import limit_to_be
from callbridge.server.process.listening import tcp_listeners

if TYPE_CHECKING:
    from collections.abc import Iterable

_SIGNS = {Level.OK: ("ok", "green"), Level.WARNING: ("warning", "yellow"), Level.ERROR: ("wrong", "red")}


def check() -> None:
    """Say what is missing or wrong in the settings, and what to do about it.

    Exit status 1 when the service could not take a call.
    """
    findings = judge.check(
        today=dt.datetime.now(tz=dt.UTC).date(),
        load_agent=load_agent,
        try_to_listen=try_to_listen,
        descriptors=limit_to_be(),
    )
    show(findings)
    if not can_take_calls(findings):
        raise typer.Exit(1)


def show(findings: Iterable[Finding]) -> None:
    """Prints each finding with its remedy."""
    console = Console(soft_wrap=True)
    for finding in findings:
        sign, colour = _SIGNS[finding.level]
        # As text, not markup: an error message may have brackets in it.
        console.print(Text.assemble((f"{sign:>8}", f"bold {colour}"), f"  {finding.what}."))
        for line in finding.detail.splitlines():
            console.print(Text(f"{'':>8}  {line}", style="dim"))
        if finding.remedy:
            console.print(Text(f"{'':>8}  {finding.remedy}", style="dim"))


def try_to_listen(host: str, port: int) -> OSError | None:
    """Why one cannot listen there, or nothing when one can."""
    try:
        for listener in tcp_listeners(host, port):
            listener.close()
    except OSError as error:
        return error
    return None
