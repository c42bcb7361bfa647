"""What `callbridge serve` does before it listens, and `callbridge check` to know that it would.

Whatever keeps the service from starting is raised here, all of it at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from callbridge.agents.agent import AgentError
from callbridge.observe.loop_watch import LoopWatch
from callbridge.records.errors import RecordsError
from callbridge.server.config.check_start import Rehearsal
from callbridge.server.config.clip import ClipError, load_clip
from callbridge.server.config.findings import Finding, Level
from callbridge.server.config.retention import retention
from callbridge.server.config.webhooks import WebhooksError
from callbridge.server.config.who_answers import who_answers
from callbridge.server.http.app import create_app
from callbridge.server.process.drain import Drain
from callbridge.server.process.live_calls import LiveCalls
from callbridge.state.opening import open_state, trial_path
from callbridge.state.state import StateError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from callbridge.agents.choosing.choice import Roster
    from callbridge.server.config.settings import Settings
    from callbridge.state.state import State


class StartError(Exception):
    """The service cannot start. `findings` says why and what to do."""

    def __init__(self, findings: tuple[Finding, ...], roster: Roster | None) -> None:
        super().__init__("; ".join(finding.what for finding in findings))
        self.findings = findings
        self.roster = roster
        """Who would answer; nothing where it is the agents that cannot be loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A service that has only to listen."""

    app: FastAPI
    roster: Roster
    state: State
    drain: Drain
    loop_watch: LoopWatch


def prepare(settings: Settings) -> Prepared:
    """All that a start needs. Blocks until the state file was read.

    Raises:
        StartError: something that the settings name cannot be used.
    """
    findings: list[Finding] = []
    roster, state = None, None
    try:
        roster = who_answers(settings)
    except AgentError as error:
        remedy = "Correct CALLBRIDGE_AGENT or what it names; that is looked for in the current folder first."
        findings.append(Finding(Level.ERROR, str(error), remedy, error.where))
    try:
        load_clip(settings.clip)
    except ClipError as error:
        findings.append(_fault(error))
    try:
        state = open_state(settings.state_path, retention=retention(settings))
    except StateError as error:
        findings.append(_fault(error))
    if roster is None or state is None or findings:
        if state is not None:
            asyncio.run(state.close())
        raise StartError(tuple(findings), roster)
    live_calls = LiveCalls()
    drain = Drain(live_calls, settings.drain_seconds)
    loop_watch = LoopWatch()
    try:
        app = create_app(
            settings, roster, state=state, drain=drain, live_calls=live_calls, loop_watch=loop_watch
        )
    except (RecordsError, WebhooksError) as error:
        asyncio.run(state.close())
        raise StartError((_fault(error),), roster) from error
    return Prepared(app=app, roster=roster, state=state, drain=drain, loop_watch=loop_watch)


def _fault(error: ClipError | StateError | RecordsError | WebhooksError) -> Finding:
    return Finding(Level.ERROR, str(error).removesuffix("."))


def rehearse(settings: Settings) -> Rehearsal:
    """Prepares a service and drops it again. No file is there afterwards that was not there before."""
    with trial_path(settings.state_path) as path:
        try:
            prepared = prepare(settings.model_copy(update={"state_path": path}))
        except StartError as error:
            # What is said of the file on trial holds for the one that is meant.
            on_trial, meant = str(path), str(settings.state_path)
            said = (replace(each, what=each.what.replace(on_trial, meant)) for each in error.findings)
            return Rehearsal(error.roster, tuple(said))
        asyncio.run(prepared.state.close())
    return Rehearsal(prepared.roster, ())
