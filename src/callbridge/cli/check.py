"""`callbridge check`: is the configuration fit for a call?"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from callbridge.server.config import check as judge
from callbridge.server.config.findings import Finding, Level, can_take_calls
from callbridge.server.config.settings import find_variables
from callbridge.server.errands.live_check import ask_for_all
from callbridge.server.errands.mcp_check import ask_mcp_servers
from callbridge.server.errands.nats_check import ask_nats
from callbridge.server.errands.twilio_check import ask_twilio
from callbridge.server.preparing import rehearse
from callbridge.server.process.listening.descriptors import limit_to_be
from callbridge.server.process.listening.listening import tcp_listeners

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.agents.choosing.choice import Roster
    from callbridge.server.config.settings import Settings

_SIGNS = {Level.OK: ("ok", "green"), Level.WARNING: ("warning", "yellow"), Level.ERROR: ("wrong", "red")}


def check(
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Ask both vendors, too: are key, model and voice taken, does the number lead here, does "
            "Twilio reach the webhook? Costs nothing.",
        ),
    ] = False,
    workers: Annotated[int | None, typer.Option(help="In place of CALLBRIDGE_WORKERS.")] = None,
) -> None:
    """Say what is missing or wrong in the settings, and what to do about it.

    Exit status 1 when the service could not take a call.
    """
    findings = judge.check(
        find_variables(options={} if workers is None else {"CALLBRIDGE_WORKERS": str(workers)}),
        today=dt.datetime.now(tz=dt.UTC).date(),
        rehearse=rehearse,
        try_to_listen=try_to_listen,
        descriptors=limit_to_be(),
        ask_vendors=_ask_vendors if live else None,
        ask_nats=_ask_nats,
        ask_mcp=_ask_mcp,
    )
    show(findings)
    if not can_take_calls(findings):
        raise typer.Exit(1)


def _ask_vendors(settings: Settings, roster: Roster) -> list[Finding]:
    return asyncio.run(_ask(settings, roster))


def _ask_nats(settings: Settings) -> list[Finding]:
    return [] if settings.nats_url is None else asyncio.run(ask_nats(settings))


def _ask_mcp(roster: Roster) -> list[Finding]:
    return asyncio.run(ask_mcp_servers(roster))


async def _ask(settings: Settings, roster: Roster) -> list[Finding]:
    """Both vendors, at the same time."""
    sends_texts = any(agent.texts is not None for _, agent in roster.all_agents)
    async with asyncio.TaskGroup() as tasks:
        model = tasks.create_task(ask_for_all(settings, roster), name="ask the model's vendor")
        phone = tasks.create_task(ask_twilio(settings, sends_texts=sends_texts), name="ask Twilio")
    return [*model.result(), *phone.result()]


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
