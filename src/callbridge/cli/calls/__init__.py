"""`callbridge calls`: what is on record of calls. Each sub-command is a module of this folder.

What brings a library of the database along is imported inside the commands: no other command waits for it.
"""

from __future__ import annotations

from typing import Final

import typer
from typer.core import TyperGroup

from callbridge.cli.calls.cost import cost
from callbridge.cli.calls.exporting import export
from callbridge.cli.calls.following import follow
from callbridge.cli.calls.freezing import freeze
from callbridge.cli.calls.listing import list_calls
from callbridge.cli.calls.ordering import end, hand_over
from callbridge.cli.calls.rebuild import rebuild
from callbridge.cli.calls.showing import show

FIRST: Final = "list"
"""What `callbridge calls` is short for."""


class ListedByDefault(TyperGroup):
    """`callbridge calls --since 2d` is `callbridge calls list --since 2d`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer's.
        """Reads the command line."""
        asks_for_help = args[:1] in (["-h"], ["--help"])
        names_command = args[:1] and args[0] in self.commands
        if FIRST in self.commands and not asks_for_help and not names_command and _are_options(args):
            args = [FIRST, *args]
        return super().parse_args(ctx, args)


def _are_options(args: list[str]) -> bool:
    """A word that is no command is a mistyped one, and to be told of."""
    return not args or args[0].startswith("-")


calls = typer.Typer(
    cls=ListedByDefault,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@calls.callback()
def about_calls() -> None:
    """What is on record of calls: listed, followed, shown, exported. Live ones are ended or handed over."""


calls.command(FIRST)(list_calls)
calls.command()(show)
calls.command()(follow)
calls.command()(end)
calls.command("hand-over")(hand_over)
calls.command()(freeze)
calls.command()(export)
calls.command()(cost)
calls.command()(rebuild)
