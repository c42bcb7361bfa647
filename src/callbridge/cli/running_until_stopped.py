"""How a simulated server ends: what its user reads of it, and the exit code."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import typer
from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console


@contextlib.contextmanager
def running_until_stopped(console: Console, host: str, port: int) -> Iterator[None]:
    """Around the reading of what was asked for and the serving of it; Ctrl-C is how one ends it.

    Raises:
        typer.Exit: with 2 when what was asked for cannot be read, with 1 when the port cannot be had.
    """
    try:
        yield
    except ValueError as error:
        console.print(f"[bold red]{escape(str(error))}")
        raise typer.Exit(2) from error
    except OSError as error:
        console.print(f"[bold red]{host}:{port} cannot be used: {escape(str(error))}; try --port 0")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("stopped")
