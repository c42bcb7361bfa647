"""What ends a benchmark early, each with the exit code that tells a script which of the two it was."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark could not be carried through; the message says why."""

    exit_code = 3


class UnavailableError(BenchError):
    """This machine lacks a tool; the message names it and says how to get it. Nothing was measured."""

    exit_code = 2
