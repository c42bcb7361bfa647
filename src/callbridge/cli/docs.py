"""`callbridge docs`: the guide for coding assistants, which is in the package, whole or in parts."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Annotated, Final

import typer

GUIDE: Final = "guide.md"
"""In the package, so that it is that of the version that is installed."""

_HEADING: Final = re.compile(r"^(?=## )", re.MULTILINE)


def docs(
    word: Annotated[
        str,
        typer.Argument(
            metavar="WORD",
            help="Print only the parts with this in their heading: tools, steps, tests, …",
            show_default=False,
        ),
    ] = "",
    is_list: Annotated[bool, typer.Option("--list", help="Print the headings alone.")] = False,
) -> None:
    """Print the guide for coding assistants: how an agent is written, tested and talked to.

    It is short enough to be read whole. Exit status 1 when no heading has the word.
    """
    text = (files("callbridge") / GUIDE).read_text(encoding="utf-8")
    headings = "\n".join(parts_of(text))
    if is_list:
        text = headings
    elif word:
        text = "\n".join(about(word, text))
    if not text:
        typer.echo(f"The guide has nothing under {word!r}. Its parts:\n{headings}", err=True)
        raise typer.Exit(1)
    typer.echo(text.rstrip())


def parts_of(guide: str) -> dict[str, str]:
    """The parts of the guide by their headings, in order. What stands before the first is none."""
    parts = _HEADING.split(guide)[1:]
    return {part.partition("\n")[0].removeprefix("## "): part for part in parts}


def about(word: str, guide: str) -> list[str]:
    """The parts with this word, or a piece of one, in their heading."""
    return [part for heading, part in parts_of(guide).items() if word.casefold() in heading.casefold()]
