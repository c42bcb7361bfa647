"""What `callbridge serve` does before it listens, and `callbridge check` to know that it would.

Whatever keeps the service from starting is raised here, all of it at once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pydantic import SecretStr

from callbridge.agents.fault import AgentError
from callbridge.observe.loop_watch import LoopWatch
from callbridge.observe.tracing.exporting import TracesError
from callbridge.records.errors import RecordsError
from callbridge.server.config.check_redis import redis_notes
from callbridge.server.config.check_start import Rehearsal
from callbridge.server.config.clip import ClipError, load_clip
from callbridge.server.config.findings import Finding, Level, ok, warning
from callbridge.server.config.records import records_file
from callbridge.server.config.webhooks import WebhooksError
from callbridge.server.config.who_answers import who_answers
from callbridge.server.http.app import create_app
from callbridge.server.process.drain import Drain
from callbridge.server.process.keeping.records import is_older
from callbridge.server.process.live_calls import LiveCalls
from callbridge.server.process.opened_state import opened_state
from callbridge.state.opening import trial_path
from callbridge.state.state import StateError

if TYPE_CHECKING:
    from fastapi import FastAPI

    from callbridge.agents.choosing.choice import Roster
    from callbridge.server.config.settings import Settings
    from callbridge.server.process.keeping.records import RecordKeeping
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
        state = opened_state(settings)
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
    except (RecordsError, WebhooksError, TracesError) as error:
        asyncio.run(state.close())
        raise StartError((_fault(error),), roster) from error
    return Prepared(app=app, roster=roster, state=state, drain=drain, loop_watch=loop_watch)


def _fault(error: ClipError | StateError | RecordsError | WebhooksError | TracesError) -> Finding:
    return Finding(Level.ERROR, str(error).removesuffix("."))


def rehearse(settings: Settings) -> Rehearsal:
    """Prepares a service and drops it again. No file is there afterwards that was not there before."""
    url, file = settings.database_url, records_file(settings)
    with trial_path(settings.state_path) as path, trial_path(file) as records_path:
        if file is not None:
            url = SecretStr("off" if is_older(file) else f"sqlite:///{records_path}")
        on_trial = ((str(path), str(settings.state_path)), (str(records_path), str(file)))
        try:
            prepared = prepare(settings.model_copy(update={"state_path": path, "database_url": url}))
        except StartError as error:
            return Rehearsal(error.roster, _as_meant(error.findings, on_trial))
        records: RecordKeeping | None = prepared.app.state.desk.records
        asyncio.run(prepared.state.close())
        notes = [*redis_notes(settings)]
        if prepared.state.away is not None:
            notes.append(_away(prepared.state.away))
        if records is not None:
            notes.append(_about(settings, records))
            records.database.close()
        elif file is not None:  # A service that runs beside this may need it as it is.
            notes.append(ok(f"the next start brings {file} to the version of this callbridge"))
    return Rehearsal(prepared.roster, (), _as_meant(tuple(notes), on_trial))


def _as_meant(findings: tuple[Finding, ...], on_trial: tuple[tuple[str, str], ...]) -> tuple[Finding, ...]:
    """What is said of files on trial holds for those that are meant."""
    for tried, meant in on_trial:
        if tried != meant:
            findings = tuple(replace(each, what=each.what.replace(tried, meant)) for each in findings)
    return findings


def _away(reason: str) -> Finding:
    return warning(
        reason.removesuffix("."), "The service starts all the same, and takes calls once it answers."
    )


def _about(settings: Settings, records: RecordKeeping) -> Finding:
    if records.away is None:
        return ok(f"calls are on record in {records.database.name}, {_what_is_kept(settings)}")
    remedy = "Calls are taken all the same, and are on record once it answers."
    return warning(records.away.removesuffix("."), remedy)


def _what_is_kept(settings: Settings) -> str:
    """For how long, and what of it."""
    if not settings.keep_words:
        words = "without words"
    elif settings.words_kept_days is None:
        words = "with words"
    else:
        words = f"with words for {settings.words_kept_days}"
    numbers = "in full" if settings.keep_numbers else "masked"
    return f"for {settings.records_kept_days} days, {words}, numbers {numbers}"
