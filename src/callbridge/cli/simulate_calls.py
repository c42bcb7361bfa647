"""`callbridge simulate calls`: many simulated callers at once, and what they heard in sums.

Reads the command line, shows, and sets the exit status. The calls themselves are `simulators.load`.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from rich.console import Console

from callbridge.cli.call_options import (
    AccountSid,
    AsJson,
    AuthToken,
    Clips,
    DelayMs,
    InterruptWith,
    JitterMs,
    MaxCall,
    PauseSeconds,
    PlanFile,
    PressKeys,
    SaySpeech,
    Seed,
    ToNumber,
    Url,
    account_of,
    check_url,
    found_settings,
    planned,
    speech,
    steps_of,
)
from callbridge.cli.load_display import shown, watching
from callbridge.cli.simulate_model import read_script
from callbridge.server.process.listening.descriptors import raise_limit
from callbridge.simulators.load import Load, LoadState, place_calls
from callbridge.simulators.phone import (
    TO_NUMBER,
    CallerScript,
    CallSettings,
    Network,
    StreamSettings,
    Surrounded,
)
from callbridge.simulators.phone.plan import Plan
from callbridge.simulators.phone.webhooks import is_on_this_machine
from callbridge.simulators.voice_model import ScriptError, SessionSettings, serve_model

if TYPE_CHECKING:
    from callbridge.simulators.load import LoadReport
    from callbridge.simulators.phone import Caller
    from callbridge.simulators.voice_model import Script

COUNT_MAX: Final = 2000
"""One process cannot be so many telephones; more are more processes."""

DESCRIPTORS_PER_CALL: Final = 3
"""The media socket, the webhook's connection, and the model's where it is served here."""

DESCRIPTORS_OWN: Final = 64

LOAD: Final = "The load"

Count = Annotated[int, typer.Option(min=1, max=COUNT_MAX, rich_help_panel=LOAD, help="How many calls.")]
Ramp = Annotated[
    float,
    typer.Option(min=0, max=3600, rich_help_panel=LOAD, help="Seconds within which they begin, evenly."),
]
ModelPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65_535,
        rich_help_panel=LOAD,
        help="Serve the simulated model here, too: the report says then how exact interruptions were, and "
        "both share a core. What the service's CALLBRIDGE_REALTIME_URL names.",
    ),
]
ModelScript = Annotated[
    Path | None,
    typer.Option("--script", rich_help_panel=LOAD, help="Of that model, as in callbridge simulate model."),
]
Owned = Annotated[
    bool,
    typer.Option(
        "--i-own-this-service",
        rich_help_panel=LOAD,
        help="Place the calls although the service is not on this machine. Whoever runs it is billed.",
    ),
]


def simulate_calls(
    url: Url,
    count: Count = 10,
    ramp: Ramp = 5.0,
    say: SaySpeech = None,
    pause: PauseSeconds = 0.0,
    interrupt: InterruptWith = None,
    press: PressKeys = None,
    plan: PlanFile = None,
    to_number: ToNumber = None,
    account_sid: AccountSid = None,
    auth_token: AuthToken = None,
    max_call: MaxCall = 120.0,
    model_port: ModelPort = None,
    script: ModelScript = None,
    i_own_this_service: Owned = False,
    delay_ms: DelayMs = 0.0,
    jitter_ms: JitterMs = 0.0,
    seed: Seed = 0,
    clip: Clips = None,
    as_json: AsJson = False,
) -> None:
    """Call a voice webhook many times at once, each caller at a telephone's pace, and report in sums.

    It talks to this machine alone: to a service elsewhere with --i-own-this-service.

    Exit status: 0 when all were answered and nothing was wrong, 1 otherwise, also when this tool could not
    keep its own pace, 2 when the command was not understood.
    """
    check_url(url)
    _check_consent(url, is_owned=i_own_this_service)
    _check_descriptors(count)
    followed = planned(plan) if plan else Plan(steps_of(say or [], pause, interrupt or [], press))
    sid, token = account_of(found_settings(), account_sid, auth_token)
    settings = CallSettings(
        account_sid=sid,
        auth_token=token,
        to_number=to_number or followed.to_number or TO_NUMBER,
        incoming=followed.incoming,
        line=followed.line,
        network=Network(delay_ms, jitter_ms, seed=seed),
        stream=StreamSettings(clips=tuple(speech(file) for file in clip or [])),
        max_call_s=max_call,
        stays_on_this_machine=not i_own_this_service,
    )

    def caller(_number: int) -> Caller:
        return Surrounded(CallerScript(followed.steps), followed.surroundings)

    load = Load(url=url, count=count, ramp_s=ramp, caller=caller, settings=settings)
    model = None if model_port is None else _Model(_script(script), model_port)
    console = Console(quiet=as_json, highlight=False)
    report = asyncio.run(_placed(load, model, console))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        shown(report, console)
    raise typer.Exit(0 if report.is_good else 1)


@dataclass(frozen=True, slots=True)
class _Model:
    script: Script
    port: int


async def _placed(load: Load, model: _Model | None, console: Console) -> LoadReport:
    state = LoadState()
    async with contextlib.AsyncExitStack() as around:
        sessions = None
        if model is not None:
            heard = SessionSettings(keep_audio=True)
            try:
                serving = serve_model(model.script, port=model.port, settings=heard)
                served = await around.enter_async_context(serving)
            except OSError as error:
                raise typer.BadParameter(f"--model-port {model.port} cannot be used: {error}") from error
            console.print("[bold]model[/]    served during these calls. The service finds it by")
            console.print(f"CALLBRIDGE_REALTIME_URL={served.url}", soft_wrap=True)
            sessions = lambda: served.sessions  # noqa: E731 - one line, told to somebody at once
        await around.enter_async_context(watching(state, load.count, console))
        return await place_calls(load, state, sessions)


def _script(path: Path | None) -> Script:
    try:
        return read_script(path)
    except ScriptError as error:
        raise typer.BadParameter(str(error)) from error


def _check_consent(url: str, *, is_owned: bool) -> None:
    if not is_owned and not is_on_this_machine(url):
        raise typer.BadParameter(
            f"{url} is not on this machine. A load test of somebody else's service is an attack, and one of "
            "your own is billed: start the service here with a simulated model, or say --i-own-this-service"
        )


def _check_descriptors(count: int) -> None:
    needed, there = DESCRIPTORS_OWN + DESCRIPTORS_PER_CALL * count, raise_limit()
    if needed > there:
        raise typer.BadParameter(
            f"{count} calls need {needed} open files, and this process may have {there}: "
            f"run `ulimit -n {needed}` first, or place fewer"
        )
