"""Questions to whoever sits at the terminal, also from within an event loop."""

from __future__ import annotations

import signal

import typer


def agrees(question: str) -> bool:
    """Whether they say yes. Ctrl-C ends the program at once.

    In an event loop it would only be noted: the question would stand there as if nothing had been pressed,
    and a yes behind it would count.

    Raises:
        typer.Abort: Ctrl-C, or nobody is there.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return typer.confirm(question)
    finally:
        signal.signal(signal.SIGINT, before)
