"""`callbridge test`: plays the scenarios and tests of a project, and tells what came of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from callbridge.cli.output_files import to_be_written

if TYPE_CHECKING:
    from callbridge.cli.test_report import TestReport
    from callbridge.testing.scenarios.baseline import Baseline

PASSED, FAILED, UNUSABLE, NOTHING, STOPPED = 0, 1, 2, 5, 130

WITHOUT_PYTEST = "pytest plays the tests, and is not installed. Run: pip install 'callbridge[testing]'"

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATHS]",
        help="Files and folders with *.call.toml and test_*.py, or single tests, as FILE::NAME; by default "
        "where pytest looks.",
        show_default=False,
    ),
]
Keyword = Annotated[
    str,
    typer.Option("-k", metavar="EXPRESSION", help="Only those with such a name or tag, as pytest has it."),
]
Repeat = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        help="Play each scenario so often, each time with another seed. Nothing is tried again.",
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        min=0.0001, max=1.0, help="The share of these runs that must pass; as the scenario says, or all."
    ),
]
BaselineFile = Annotated[
    Path | None, typer.Option(help="Compare with the figures in this file. What is worse fails.")
]
SaveBaseline = Annotated[
    Path | None, typer.Option(callback=to_be_written, help="Write the figures of this run there.")
]
JUnit = Annotated[Path | None, typer.Option(callback=to_be_written, help="Write the results as JUnit XML.")]
Report = Annotated[
    Path | None,
    typer.Option(
        help="Write a page about all calls, with their sound: a file ending in .html; or a folder, where "
        "failed calls are left as WAV and JSON, too."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the results as JSON, and nothing else.")]
OnlyList = Annotated[bool, typer.Option("--list", help="Say what would be played, and play nothing.")]
RequireModel = Annotated[
    bool,
    typer.Option(
        "--require-model",
        help="Let a test fail that needs a text model and has none, in place of skipping it.",
    ),
]
Rejudge = Annotated[
    bool,
    typer.Option(
        "--rejudge",
        help="PATHS are stored conversations (*.conversation.json): ask the judge again, and call nobody.",
    ),
]
Schema = Annotated[
    bool, typer.Option("--schema", help="Print the JSON Schema of *.call.toml, for editors; play nothing.")
]


def run_tests(
    paths: Paths = None,
    *,
    keyword: Keyword = "",
    repeat: Repeat = None,
    rate: Rate = None,
    baseline: BaselineFile = None,
    save_baseline: SaveBaseline = None,
    junit: JUnit = None,
    report: Report = None,
    as_json: AsJson = False,
    only_list: OnlyList = False,
    require_model: RequireModel = False,
    rejudge: Rejudge = False,
    schema: Schema = False,
) -> None:
    """Play the scenarios (*.call.toml) and tests (test_*.py) of a project.

    No key, no account and no network are needed: both vendors are simulated, and a call of a minute takes
    well under a second.

    Exit status: 0 when all passed, 1 when some failed or are worse than the baseline, 2 when a file or an
    option cannot be used or the baseline is of other calls, 5 when there is nothing to play, 130 when it was
    stopped.
    """
    if schema:
        _show_schema()
        return
    if rejudge:
        from callbridge.cli.rejudging import rejudge as judge_again  # noqa: PLC0415 - of few runs

        raise typer.Exit(judge_again(paths or [Path()], as_json=as_json))
    if importlib.util.find_spec("pytest") is None:
        _refuse(WITHOUT_PYTEST)
    from callbridge.cli.test_report import TestReport  # noqa: PLC0415 - nothing else waits for it
    from callbridge.testing.collecting.session import Wanted, run  # noqa: PLC0415 - pytest is slow, and optional

    missing = [str(path) for path in paths or [] if not Path(str(path).partition("::")[0]).exists()]
    if missing:
        _refuse(f"There is no {', '.join(missing)}.")
    told = TestReport(is_quiet=as_json)
    kept = _read_baseline(baseline)
    wanted = Wanted(
        paths=paths or [],
        keyword=keyword,
        runs=repeat,
        rate=rate,
        junit=junit,
        is_only_listed=only_list,
        is_model_required=require_model,
    )
    status = run(wanted, told)
    if only_list:
        told.list(as_json=as_json)
        raise typer.Exit(status)
    if kept is not None:
        status = max(status, told.compare(kept), key=_SEVERITY.index)
    told.summarise(status, as_json=as_json)
    _write(told, save_baseline, report)
    raise typer.Exit(status)


_SEVERITY = (PASSED, NOTHING, FAILED, UNUSABLE, STOPPED)
"""Of two statuses the later counts."""


def _show_schema() -> None:
    from callbridge.testing.scenarios.schema import shipped_schema  # noqa: PLC0415 - of no use elsewhere

    typer.echo(shipped_schema(), nl=False)


def _refuse(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(UNUSABLE)


def _read_baseline(path: Path | None) -> Baseline | None:
    """Before anything is played: a run of minutes must not end with a file that cannot be read."""
    from callbridge.testing.scenarios.baseline import BaselineError, decode  # noqa: PLC0415 - as above

    if path is None:
        return None
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        _refuse(f"{path} cannot be read: {error.strerror}. --save-baseline {path} writes it.")
    except BaselineError as error:
        _refuse(str(error))


def _write(told: TestReport, baseline: Path | None, report: Path | None) -> None:
    from callbridge.testing.scenarios.baseline import baseline_of, decode, encode  # noqa: PLC0415 - as above
    from callbridge.testing.scenarios.pages import write_report  # noqa: PLC0415 - jinja2 is slow

    try:
        if baseline is not None:
            before = decode(baseline.read_bytes(), str(baseline)) if baseline.exists() else None
            baseline.write_bytes(encode(baseline_of(told.outcomes, before)))
        if report is not None:
            write_report(report, told.tests)
    except (OSError, ValueError) as error:
        _refuse(f"What came of the calls cannot be written: {error}")
