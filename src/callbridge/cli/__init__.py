"""The `callbridge` command."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from callbridge.cli.agent import show
from callbridge.cli.calls import calls
from callbridge.cli.certify import certify
from callbridge.cli.check import check
from callbridge.cli.deliveries import deliveries
from callbridge.cli.demo import demo
from callbridge.cli.dev import DevCommand, dev
from callbridge.cli.docs import docs
from callbridge.cli.drain import drain
from callbridge.cli.fallback import fallback
from callbridge.cli.forget import forget
from callbridge.cli.init import init
from callbridge.cli.mcp_server.command import mcp
from callbridge.cli.migrate import migrate
from callbridge.cli.number import number
from callbridge.cli.replay import replay
from callbridge.cli.serve import serve
from callbridge.cli.simulate_account import simulate_account
from callbridge.cli.simulate_call import simulate_call
from callbridge.cli.simulate_calls import simulate_calls
from callbridge.cli.simulate_model import simulate_model
from callbridge.cli.simulate_text import simulate_text
from callbridge.cli.status import status
from callbridge.cli.test_command import run_tests

app = typer.Typer(
    name="callbridge",
    help="A phone number answered by a realtime voice model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Paragraphs of the help texts are filled to the width of the terminal.
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(*, is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"callbridge {version('callbridge')}")
        raise typer.Exit


@app.callback()
def callbridge(
    *,
    is_version_asked: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A phone number answered by a realtime voice model."""


app.command()(demo)
app.command()(init)
app.command(cls=DevCommand)(dev)
app.command("test")(run_tests)
app.command()(docs)
app.command()(serve)
app.command()(check)
app.command()(status)
app.command()(drain)
app.command()(forget)
app.command()(fallback)
app.command()(mcp)
app.command()(replay)
app.command()(migrate)
app.command()(certify)

simulate = typer.Typer(
    help="Strict simulators of both vendors, for any bridge.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
simulate.command("call")(simulate_call)
simulate.command("calls")(simulate_calls)
simulate.command("model")(simulate_model)
simulate.command("account")(simulate_account)
simulate.command("text")(simulate_text)
app.add_typer(simulate, name="simulate")

agent = typer.Typer(
    help="The agent that answers.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
agent.command("show")(show)
app.add_typer(agent, name="agent")
app.add_typer(number, name="number")
app.add_typer(deliveries, name="deliveries")
app.add_typer(calls, name="calls")


def main() -> None:
    """Entry point of the command."""
    app()
