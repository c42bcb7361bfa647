"""Whose calls a command is about: those of the service, or those of `callbridge dev` in this folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from callbridge.cli.development.folder import NAME
from callbridge.cli.serve import settings_or_refusal
from callbridge.server.config.setting_problems import SettingsError

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings

OfDev: TypeAlias = Annotated[
    bool, typer.Option("--dev", help="Of callbridge dev in this folder; no key is needed.")
]


def settings_for(*, is_of_dev: bool, agent: str = "") -> Settings:
    """The settings by which the calls are read; the command ends where they cannot be used.

    Args:
        is_of_dev: those of `callbridge dev`, in which nothing of a deployment is needed.
        agent: who answers there; by default whom CALLBRIDGE_AGENT names.
    """
    if not is_of_dev:
        try:
            return settings_or_refusal()
        except typer.Exit:
            if Path(NAME).is_dir():
                typer.echo("Calls of callbridge dev in this folder are asked for with --dev.", err=True)
            raise
    from callbridge.cli.development import configuration as dev  # noqa: PLC0415 - of few calls

    port, told = dev.usual_port(), dev.what_is_told(agent)
    try:
        return dev.development_settings(
            told,
            port=port,
            base_url=f"http://127.0.0.1:{port}",
            model_url="ws://127.0.0.1",
            folder=Path(NAME),
        )
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
