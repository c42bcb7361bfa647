"""What `callbridge test` prints: a line for each test as it ends, then what failed, with its call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from callbridge.testing.scenarios.baseline import Verdict, compared
from callbridge.testing.scenarios.telling import rate_line, spread_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.testing.scenarios.baseline import Baseline, Comparison
    from callbridge.testing.scenarios.results import Outcome
    from callbridge.testing.scenarios.running import Ran
    from callbridge.testing.scenarios.told import Told

FAILED, UNUSABLE, NOTHING, STOPPED = 1, 2, 5, 130


class TestReport:
    """Listens while pytest runs, and keeps what it was told.

    Args:
        is_quiet: nothing is printed on the way.
    """

    __test__ = False
    """pytest takes it for no test."""

    def __init__(self, *, is_quiet: bool) -> None:
        self._console = Console(quiet=is_quiet, highlight=False, soft_wrap=True)
        self.tests: list[Told] = []
        self.names: tuple[str, ...] = ()
        self.errors: dict[str, str] = {}
        """Files that cannot be read, and why."""
        self.comparisons: list[Comparison] = []

    @property
    def ran(self) -> list[Ran]:
        """The scenarios."""
        return [test.ran for test in self.tests if test.ran is not None]

    @property
    def outcomes(self) -> list[Outcome]:
        """What came of them."""
        return [ran.outcome for ran in self.ran]

    # --- As a listener ---

    def collected(self, names: Sequence[str]) -> None:
        """See `Listener`."""
        self.names = tuple(names)

    def unreadable(self, name: str, text: str) -> None:
        """See `Listener`."""
        self.errors[name] = text

    def told(self, test: Told) -> None:
        """See `Listener`."""
        self.tests.append(test)
        word = "[yellow]skip[/]" if test.skipped else "[green]pass[/]" if test.passed else "[red]FAIL[/]"
        self._console.print(
            f"{word}  {escape(_place(test.name))}  [dim]{_of_runs(test)}{test.took_s:.2f} s[/]"
        )
        if test.skipped:
            self._console.print(f"      {escape(test.text.removeprefix('Skipped: ').rstrip())}")

    # --- Afterwards ---

    def list(self, *, as_json: bool) -> None:
        """What would be played."""
        self._show_errors()
        if as_json:
            typer.echo(msgspec.json.encode({"tests": self.names, "errors": self.errors}).decode())
            return
        for name in self.names:
            self._console.print(escape(_place(name)))
        self._console.print(f"[dim]{_count(len(self.names), 'test')}[/]")

    def compare(self, baseline: Baseline) -> int:
        """With what is kept; the exit status that follows."""
        self.comparisons = compared(self.outcomes, baseline)
        verdicts = {one.verdict for one in self.comparisons}
        return UNUSABLE if Verdict.UNLIKE in verdicts else FAILED if Verdict.WORSE in verdicts else 0

    def summarise(self, status: int, *, as_json: bool) -> None:
        """All of it, at the end."""
        if as_json:
            typer.echo(msgspec.json.format(msgspec.json.encode(self._data(status)), indent=2).decode())
            return
        self._show_errors()
        for test in self.tests:
            if not test.passed and not test.skipped:
                self._console.print(f"\n[bold red]FAIL[/] [bold]{escape(_place(test.name))}[/]")
                self._console.print(test.text.rstrip(), markup=False)
        self._show_spreads()
        self._show_comparisons()
        self._console.print(self._last_line(status))

    def _show_errors(self) -> None:
        for name, text in self.errors.items():
            self._console.print(f"\n[bold red]cannot be read[/] [bold]{escape(name)}[/]")
            self._console.print(text.rstrip(), markup=False)

    def _show_spreads(self) -> None:
        for outcome in self.outcomes:
            if len(outcome.runs) > 1 and outcome.has_passed:
                self._console.print(f"\n[bold]{escape(_place(outcome.name))}[/] {rate_line(outcome)}")
                for line in spread_lines(outcome):
                    self._console.print(f"  {line}", markup=False)

    def _show_comparisons(self) -> None:
        for one in self.comparisons:
            if one.verdict != Verdict.SAME:
                self._console.print(f"\n[bold]{escape(_place(one.name))}[/] {_IN_WORDS[one.verdict]}")
                for reason in one.reasons:
                    self._console.print(f"  {reason}", markup=False)

    def _last_line(self, status: int) -> str:
        failed = sum(not test.passed and not test.skipped for test in self.tests)
        skipped = sum(test.skipped for test in self.tests)
        passed = len(self.tests) - failed - skipped
        calls = sum(
            len(test.calls) if test.ran is None else len(test.ran.outcome.runs) for test in self.tests
        )
        parts = [f"[green]{passed} passed[/]"] if passed else []
        parts += [f"[red]{failed} failed[/]"] if failed else []
        parts += [f"{skipped} skipped"] if skipped else []
        parts += [f"[red]{_count(len(self.errors), 'file')} not read[/]"] if self.errors else []
        took_s = sum(test.took_s for test in self.tests)
        of_calls = f", {_count(calls, 'call')}" if calls else ""
        if status == STOPPED:
            parts += [f"[yellow]stopped, {len(self.names) - len(self.tests)} not played[/]"]
        nothing = "Nothing to play: there is no such *.call.toml, and no such test"
        told = ", ".join(parts) or (nothing if status == NOTHING else "[red]Nothing was played[/]")
        return f"\n{told}{of_calls} [dim]in {took_s:.2f} s[/]"

    def _data(self, status: int) -> dict[str, Any]:
        return {
            "status": status,
            "scenarios": [
                {
                    "passed": outcome.has_passed,
                    "passed_runs": outcome.passed,
                    "spreads": outcome.spreads(),
                    **msgspec.structs.asdict(outcome),
                }
                for outcome in self.outcomes
            ],
            "tests": [
                {"name": test.name, "passed": test.passed, "skipped": test.skipped, "text": test.text}
                for test in self.tests
                if test.ran is None
            ],
            "errors": self.errors,
            "baseline": self.comparisons,
        }


_IN_WORDS = {
    Verdict.WORSE: "[red]is worse than the baseline[/]",
    Verdict.UNLIKE: "[red]cannot be compared with the baseline[/] (--save-baseline writes a new one)",
    Verdict.NEW: "is not in the baseline yet",
}


def _place(name: str) -> str:
    """`tests/cakes.call.toml: sunday`, as people say it."""
    file, _, rest = name.partition("::")
    return f"{file}: {rest}" if file.endswith(".call.toml") else name


def _of_runs(test: Told) -> str:
    if test.ran is None or len(test.ran.outcome.runs) == 1:
        return ""
    return f"{test.ran.outcome.passed} of {len(test.ran.outcome.runs)}  "


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
