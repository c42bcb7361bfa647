"""The `callbridge` command."""

from __future__ import annotations

import typer

from callbridge.cli.check import check
from callbridge.cli.demo import demo
from callbridge.cli.drain import drain
from callbridge.cli.serve import serve
from callbridge.cli.simulate_call import simulate_call
from callbridge.cli.simulate_model import simulate_model

app = typer.Typer(
    name="callbridge",
    help="A phone number answered by a realtime voice model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(serve)
app.command()(check)
app.command()(drain)

simulate = typer.Typer(help="Strict simulators of both vendors, for any bridge.", no_args_is_help=True)
simulate.command("call")(simulate_call)
simulate.command("model")(simulate_model)
app.add_typer(simulate, name="simulate")


def main() -> None:
    """Entry point of the command."""
    app()
