"""`callbridge serve`: the service itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NoReturn

import structlog
import typer

from callbridge.cli.check import show
from callbridge.observe.logs import configure_logging
from callbridge.server.config.findings import Finding, as_findings, as_warnings
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.config.settings import Settings, find_variables, settings_of
from callbridge.server.preparing import StartError, prepare
from callbridge.server.process.memory import keep_large_blocks_apart

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.server.config.setting_problems import Problem
    from callbridge.server.config.variables import Variables

_log = structlog.get_logger()


def serve() -> None:
    """Answer calls until told to stop. Settings come from the environment and a .env file.

    The first SIGTERM or Ctrl-C lets live calls end, for CALLBRIDGE_DRAIN_SECONDS at most; the second
    has them handed over at once; the third stops at once.
    """
    variables = find_variables()
    settings = settings_or_refusal(variables)
    configure_logging(settings.log_level, settings.log_format, secrets=_secrets(settings))
    _tell(variables.doubts)
    try:
        prepared = prepare(settings)
    except StartError as error:
        _refuse(error.findings)
    keep_large_blocks_apart()
    # Ctrl-C before the signals are the server's own.
    with contextlib.suppress(KeyboardInterrupt):
        prepared.server.run()


def settings_or_refusal(variables: Variables | None = None) -> Settings:
    """The settings of this process; when they cannot be used, says why and ends with status 1."""
    variables = variables or find_variables()
    try:
        return settings_of(variables)
    except SettingsError as error:
        _refuse([*as_findings(error.problems), *as_warnings(variables.doubts)])


def _secrets(settings: Settings) -> tuple[str, ...]:
    return (
        settings.openai_api_key.get_secret_value(),
        settings.twilio_auth_token.get_secret_value(),
    )


def _tell(doubts: Iterable[Problem]) -> None:
    for doubt in doubts:
        _log.warning("setting_in_doubt", name=doubt.subject, why=doubt.what, remedy=doubt.remedy)


def _refuse(findings: Iterable[Finding]) -> NoReturn:
    show(findings)
    raise typer.Exit(1)
