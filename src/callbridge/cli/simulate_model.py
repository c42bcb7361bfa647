"""`callbridge simulate model`: a Realtime server on this machine, and what happens on it.

Options and output only. What the server does is in `simulators.voice_model`.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from callbridge.cli.call_options import found_settings
from callbridge.cli.output_files import to_be_written
from callbridge.cli.running_until_stopped import running_until_stopped
from callbridge.simulators.voice_model import (
    FAULT_SYNTAX,
    ConnectFault,
    Journal,
    Note,
    Script,
    SessionSettings,
    demo_script,
    installed_speaker,
    load_script,
    parse_fault,
    placed,
    serve_model,
    session_reports,
    voiced,
)

_STYLES = {
    "connected": "bold",
    "ended": "bold",
    "caller_said": "cyan",
    "agent_said": "green",
    "called": "magenta",
    "truncated": "yellow",
    "speech_started": "yellow",
    "refused": "bold red",
    "left_out": "red",
    "fault": "bold magenta",
}


def simulate_model(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 for a free one.")] = 9000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    script: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with the tables answer (say, calls, caller, after_ms, status, faults, ...), "
            "default, fault, odd (event, set, null, remove, ...) and connect. "
            "The built-in bakery when absent."
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="The one API key that is accepted. By default OPENAI_API_KEY, of the environment or .env; "
            "any where there is none."
        ),
    ] = None,
    pace: Annotated[float | None, typer.Option(min=0.01, help="Times real time that audio comes at.")] = None,
    latency_ms: Annotated[int, typer.Option(min=0, help="More time to think per answer.")] = 0,
    seed: Annotated[int, typer.Option(help="Same seed, same ids and delta sizes.")] = 0,
    fault: Annotated[list[str] | None, typer.Option(help=FAULT_SYNTAX)] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            callback=to_be_written,
            help="Where to put a JSON report at the end: words, tools and refusals of each session.",
        ),
    ] = None,
    http_refusals: Annotated[
        bool,
        typer.Option(
            help="Refuse a wrong key or model with HTTP 401 and so on, as a gateway does. "
            "As the API itself otherwise: accept, send an error, close."
        ),
    ] = False,
) -> None:
    """Serve the OpenAI Realtime API with a scripted voice model, strict as the real one."""
    console = Console()
    settings = SessionSettings(pace=pace, latency_ms=latency_ms, seed=seed)
    with running_until_stopped(console, host, port):
        chosen = _with_faults(read_script(script), fault or [])
        refuse_by: Literal["http", "socket"] = "http" if http_refusals else "socket"
        accepted = key or found_settings().get("OPENAI_API_KEY")
        asyncio.run(_serve(console, chosen, host, port, accepted, settings, report, refuse_by=refuse_by))


def read_script(path: Path | None) -> Script:
    """The script of a file, with its speech; the built-in one without a file.

    Raises:
        ScriptError: it cannot be used.
    """
    if path is None:
        return demo_script()
    return voiced(load_script(path), folder=path.parent, speaker=installed_speaker())


def _with_faults(script: Script, faults: list[str]) -> Script:
    for text in faults:
        answer_number, fault = parse_fault(text)
        if isinstance(fault, ConnectFault):
            script = msgspec.structs.replace(script, connect=(*script.connect, fault))
        else:
            script = placed(script, answer_number or 1, fault)
    return script


async def _serve(
    console: Console,
    script: Script,
    host: str,
    port: int,
    key: str | None,
    settings: SessionSettings,
    report: Path | None,
    *,
    refuse_by: Literal["http", "socket"],
) -> None:
    keys = None if not key else {key}
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with serve_model(
        script,
        host=host,
        port=port,
        keys=keys,
        settings=settings,
        refuse_by=refuse_by,
        admin_keys=[admin] if (admin := found_settings().get("OPENAI_ADMIN_KEY")) else (),
        on_event=lambda journal, note: _show(console, journal, note),
        on_refusal=lambda found: console.print(
            f"[bold red]connection refused: {found.status} {escape(found.message)}", soft_wrap=True
        ),
    ) as server:
        console.print(f"[bold]{server.url}[/]?model=gpt-realtime-2.1  script {script.name!r}")
        console.print(
            "accepts the one key that was given" if keys else "accepts any API key",
            style="dim",
        )
        try:
            await stopped.wait()
        finally:
            if report is not None:
                _write_report(report, server.sessions)


def _write_report(path: Path, sessions: list[Journal]) -> None:
    found = msgspec.json.encode(session_reports(sessions))
    path.write_bytes(msgspec.json.format(found, indent=2))


def _show(console: Console, journal: Journal, note: Note) -> None:
    seconds = note.at - journal.opened_at
    style = _STYLES.get(note.kind, "dim")
    session = journal.session_id[-6:]
    console.print(
        f"[dim]{session} {seconds:8.3f}[/] [{style}]{note.kind:<16} {escape(note.text)}[/]",
        soft_wrap=True,
    )
