"""`callbridge certify`: both simulators call a bridge, and a table says what its callers would notice.

Reads the command line, shows, and sets the exit status. What is done and judged is `testing.certifying`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from callbridge.cli.call_options import account_of, found_settings
from callbridge.simulators.phone import AUTH_TOKEN

if TYPE_CHECKING:
    from callbridge.testing.certifying import Certificate, CheckReport, Target

BRIDGE = "The bridge"
MODEL = "The model"
OUTPUT = "Output"

Url = Annotated[str, typer.Argument(help="The voice webhook (https://…), or the media socket (wss://…).")]
AccountSid = Annotated[
    str | None,
    typer.Option(rich_help_panel=BRIDGE, help="By default TWILIO_ACCOUNT_SID, of the environment or .env."),
]
AuthToken = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=BRIDGE,
        help="Signs requests and sockets; the bridge must know the same. By default TWILIO_AUTH_TOKEN, found "
        "alike.",
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        metavar="NAME=VALUE",
        rich_help_panel=BRIDGE,
        help="A custom parameter of `start`, for a media socket. Repeatable.",
    ),
]
Tool = Annotated[
    str | None,
    typer.Option(rich_help_panel=BRIDGE, help="A tool of the bridge's that may be called: it will be."),
]
ToolArguments = Annotated[
    str, typer.Option(metavar="JSON", rich_help_panel=BRIDGE, help="Arguments of that tool.")
]
HangUpTool = Annotated[
    str | None,
    typer.Option(rich_help_panel=BRIDGE, help="The tool that ends the call, where its name does not say so."),
]
IsMine = Annotated[
    bool,
    typer.Option(
        "--yes-this-is-mine",
        rich_help_panel=BRIDGE,
        help="Call a bridge that is not on this machine. Calls may cost its owner money.",
    ),
]
Wait = Annotated[
    float,
    typer.Option(min=0, rich_help_panel=BRIDGE, help="Seconds that it may take until it takes connections."),
]
MaxCall = Annotated[
    float, typer.Option(min=10, rich_help_panel=BRIDGE, help="No call lasts longer than this, in seconds.")
]
ModelHost = Annotated[str, typer.Option(rich_help_panel=MODEL, help="Where the model listens.")]
ModelPort = Annotated[
    int, typer.Option(min=1, max=65_535, rich_help_panel=MODEL, help="Where the bridge must look for it.")
]
ModelCert = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, rich_help_panel=MODEL, help="Certificate: serve the model as wss."
    ),
]
ModelKey = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, rich_help_panel=MODEL, help="Its private key.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="CHECK",
        rich_help_panel=OUTPUT,
        help="Only this check, or this group of checks, as `truncation`. Repeatable.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", rich_help_panel=OUTPUT, help="Print only a JSON report.")]
AsTable = Annotated[
    bool, typer.Option("--table", rich_help_panel=OUTPUT, help="Print only a table in Markdown.")
]


def certify(
    url: Url,
    account_sid: AccountSid = None,
    auth_token: AuthToken = None,
    parameter: Parameters = None,
    tool: Tool = None,
    tool_arguments: ToolArguments = "{}",
    hang_up_tool: HangUpTool = None,
    wait: Wait = 10.0,
    max_call: MaxCall = 60.0,
    is_mine: IsMine = False,
    model_host: ModelHost = "127.0.0.1",
    model_port: ModelPort = 9000,
    model_cert: ModelCert = None,
    model_key: ModelKey = None,
    only: Only = None,
    as_json: AsJson = False,
    as_table: AsTable = False,
) -> None:
    """Call any bridge with both simulators, for about two minutes, and say what its callers notice.

    The bridge must be running, and must look for its model where this command serves one: the environment
    that it needs is printed first. No telephone rings, and no vendor is asked. TLS is trusted by
    `SSL_CERT_FILE`.

    Exit status: 0 when every must has passed or is not applicable, 1 when one has not, 2 when the bridge
    could not be called or the command was not understood.
    """
    from callbridge.testing.certifying import Target, TargetError  # noqa: PLC0415 - for this command alone

    console = Console(quiet=as_json or as_table, highlight=False)
    try:
        sid, token = account_of(found_settings(), account_sid, auth_token)
        target = Target(
            url=url,
            account_sid=sid,
            auth_token=token,
            parameters=_parameters(parameter or []),
            model_host=model_host,
            model_port=model_port,
            model_tls=_tls(model_cert, model_key),
            tool=tool,
            tool_arguments=_arguments(tool_arguments),
            hang_up_tool=hang_up_tool,
            wait_s=wait,
            call_s_max=max_call,
            is_mine=is_mine,
        )
        report = _certified(console, target, only or [])
    except TargetError as error:
        raise typer.BadParameter(str(error)) from error
    if as_json or as_table:
        typer.echo(report.to_json().decode() if as_json else markdown(report))
    _show(console, report)
    raise typer.Exit(report.exit_code)


def _certified(console: Console, target: Target, only: list[str]) -> Certificate:
    from callbridge.testing.certifying import certify as certified  # noqa: PLC0415 - as above

    _introduce(console, target)
    with console.status("") as progress:
        return asyncio.run(
            certified(target, only=only, on_probe=lambda probe: progress.update(f"[dim]{probe.what}[/]"))
        )


# --- The command line -------------------------------------------------------------------------


def _parameters(written: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in written]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise typer.BadParameter(f"--parameter {name!r} must be NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _arguments(written: str) -> dict[str, Any]:
    try:
        arguments = json.loads(written)
    except ValueError as error:
        raise typer.BadParameter(f"--tool-arguments is no JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise typer.BadParameter("--tool-arguments must be a JSON object")
    return arguments


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None:
        raise typer.BadParameter("--model-key needs --model-cert")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise typer.BadParameter(f"{certificate} cannot be used as a certificate: {error}") from error
    return context


# --- For people -------------------------------------------------------------------------------

_STYLES = {"passed": "green", "failed": "red", "not seen": "yellow", "not applicable": "dim"}


def _introduce(console: Console, target: Target) -> None:
    """What the bridge's environment needs; each setting on a line of its own, to be copied."""
    console.print("[bold]The bridge finds the model by[/] (those of them that it reads)")
    for name, value in target.environment.items():
        shown = "(the one that you gave)" if name == "TWILIO_AUTH_TOKEN" and value != AUTH_TOKEN else value
        console.print(f"{name}={shown}", soft_wrap=True, markup=False)
    console.print()


def _show(console: Console, report: Certificate) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("check", "severity", "outcome", "what was seen"):
        table.add_column(name, overflow="fold")
    for check in report.checks:
        style = _STYLES[check.outcome]
        table.add_row(
            escape(check.id), check.severity, f"[{style}]{check.outcome}[/]", escape(check.evidence)
        )
    console.print(table)
    for check in report.checks:
        if check.outcome == "failed":
            _explain(console, check)
    console.print()
    sums = ", ".join(f"{count} {outcome}" for outcome, count in report.sums.items())
    style = {"passed": "green", "failed": "red"}.get(report.verdict, "yellow")
    console.print(f"[bold {style}]{report.verdict}[/]: {sums}; {report.lasted_s:.0f} s")
    if report.trouble:
        console.print(f"[yellow]{escape(report.trouble)}[/]", soft_wrap=True)


def _explain(console: Console, check: CheckReport) -> None:
    console.print(f"\n[red]{escape(check.id)}[/] ({check.severity}): {escape(check.asks)}", soft_wrap=True)
    for name, text in (
        ("why", check.why),
        ("seen", check.evidence),
        ("noticed", check.notices),
        ("remedy", check.remedy),
        ("page", check.source),
    ):
        console.print(f"  [dim]{name:8}[/]{escape(text)}", soft_wrap=True)


def markdown(report: Certificate) -> str:
    """The checks as a table for a page."""
    rows = [
        f"| `{check.id}` | {check.severity} | {check.outcome} | {check.evidence.replace('|', '/')} |"
        for check in report.checks
    ]
    return "\n".join(["| check | severity | outcome | what was seen |", "|---|---|---|---|", *rows])
