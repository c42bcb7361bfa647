"""`callbridge serve`: the service itself."""

from __future__ import annotations

import contextlib
from typing import NoReturn

import typer

from callbridge.agents.loading import AgentError
from callbridge.cli.check import show
from callbridge.observe.logs import configure_logging
from callbridge.server.app import create_app
from callbridge.server.check import Finding, Level, as_findings
from callbridge.server.listening import CallServer, uvicorn_config
from callbridge.server.memory import keep_large_blocks_apart
from callbridge.server.settings import Settings, SettingsError, read_settings


def serve() -> None:
    """Answer calls until told to stop. Settings come from the environment and a .env file."""
    try:
        settings = read_settings()
    except SettingsError as error:
        _refuse(as_findings(error.problems))
    configure_logging(settings.log_level, settings.log_format, secrets=_secrets(settings))
    try:
        app = create_app(settings)
    except AgentError as error:
        _refuse([Finding(Level.ERROR, str(error), "Correct AGENT or the module that it names.")])
    keep_large_blocks_apart()
    with contextlib.suppress(KeyboardInterrupt):
        CallServer(uvicorn_config(app, settings), settings).run()


def _secrets(settings: Settings) -> tuple[str, ...]:
    return (
        settings.openai_api_key.get_secret_value(),
        settings.twilio_auth_token.get_secret_value(),
    )


def _refuse(findings: list[Finding]) -> NoReturn:
    show(findings)
    raise typer.Exit(1)
