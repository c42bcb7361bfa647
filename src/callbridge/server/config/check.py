"""Judges a configuration before a caller does: what is missing, wrong, or about to be.

What needs the date, a port, a network or all of the service comes in as an argument. An error means that no
call could be taken; a warning means that calls work, but perhaps not as wished or not for long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config import (
    check_addresses,
    check_analysis,
    check_callers,
    check_control,
    check_descriptors,
    check_fallback,
    check_given,
    check_hearing,
    check_models,
    check_money,
    check_nats,
    check_recordings,
    check_rest,
    check_start,
    check_texts,
    check_tracing,
    check_trust,
    check_webhooks,
)
from callbridge.server.config.findings import Finding, as_findings
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.config.settings import Settings, settings_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from callbridge.agents.choosing.choice import Roster
    from callbridge.server.config.check_start import Rehearsal
    from callbridge.server.config.variables import Variables


def check(
    variables: Variables,
    *,
    today: dt.date,
    rehearse: Callable[[Settings], Rehearsal],
    try_to_listen: Callable[[str, int], OSError | None],
    descriptors: int,
    ask_vendors: Callable[[Settings, Roster], list[Finding]] | None = None,
    ask_nats: Callable[[Settings], list[Finding]] | None = None,
    ask_mcp: Callable[[Roster], list[Finding]] | None = None,
) -> list[Finding]:
    """All there is to say about a configuration.

    Args:
        variables: what the process is told.
        today: tells which models are gone.
        rehearse: does what a start does before it listens.
        try_to_listen: what becomes of binding a socket to this host and port.
        descriptors: how many the process may have.
        ask_vendors: what those say who are paid for the calls; by default nobody is asked.
        ask_nats: what NATS says, where it is told of calls; by default it is not asked.
        ask_mcp: what the MCP servers of the agents say; by default none is asked.
    """
    given = check_given.given(variables)
    try:
        settings = settings_of(variables)
    except SettingsError as fault:
        return [*as_findings(fault.problems), *given]
    rehearsal = rehearse(settings)
    asked = ask_vendors and rehearsal.roster and ask_vendors(settings, rehearsal.roster)
    return [
        *given,
        check_models.key(settings),
        *check_trust.trust(settings),
        check_rest.rest(settings),
        *check_addresses.public_address(settings),
        check_addresses.port(settings, try_to_listen(settings.host, settings.port)),
        *check_descriptors.check_descriptors(settings, descriptors),
        *check_control.control(settings, try_to_listen),
        check_models.model(settings, today),
        *check_models.second_model(settings, today),
        check_models.transcription(settings, today),
        *check_hearing.turn_detection(settings),
        *check_given.without_effect(settings),
        *check_start.start(settings, rehearsal, today),
        *check_callers.callers(settings),
        *check_texts.texts(settings, rehearsal.roster),
        *check_recordings.recordings(settings, rehearsal.roster),
        *check_webhooks.webhooks(settings, variables.values),
        *check_nats.nats(settings),
        *(ask_nats(settings) if ask_nats else ()),
        *(ask_mcp(rehearsal.roster) if ask_mcp and rehearsal.roster else ()),
        *check_analysis.analysis(settings),
        *check_tracing.tracing(settings),
        *check_fallback.fallback(settings),
        *check_fallback.office(settings, today),
        *check_fallback.spoken(settings),
        *check_money.check_money(settings, rehearsal.roster, today),
        *(asked or ()),
    ]
