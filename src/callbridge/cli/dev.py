"""`callbridge dev`: the service on a laptop, with whatever is there; `--phone`: at a real number."""

from __future__ import annotations

import asyncio
import contextlib
import re
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Self

import typer
from typer.core import TyperCommand

from callbridge.cli.check import show
from callbridge.cli.consent import agrees
from callbridge.cli.development.borrowed_number import (
    BorrowedNumber,
    borrowed,
    choose,
    give_back_what_was_left,
)
from callbridge.cli.development.configuration import (
    LOOPBACK,
    Told,
    development_settings,
    listeners_for,
    may_open_browser,
    what_is_told,
)
from callbridge.cli.development.folder import calls_folder
from callbridge.cli.development.running import Public, Run, ended_like_ctrl_c
from callbridge.cli.development.screen import Screen, how_to_call
from callbridge.cli.development.stand_in import StandIn
from callbridge.cli.development.trouble import DevTrouble
from callbridge.cli.development.tunnels import CLOUDFLARED, OwnTunnel, open_tunnel
from callbridge.cli.simulate_model import read_script
from callbridge.observe.logs import configure_logging
from callbridge.server.config.findings import as_findings
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.errands.kept_pointings import KeptError, KeptPointings
from callbridge.server.errands.numbers import NumberError
from callbridge.server.preparing import StartError, prepare
from callbridge.server.process.listening.listening import tcp_listener
from callbridge.simulators.voice_model import ScriptError, serve_model
from callbridge.telephony.rest.client import Patience, open_rest
from callbridge.telephony.rest.fault import RestFault

if TYPE_CHECKING:
    from types import TracebackType

    from callbridge.cli.development.tunnels import Tunnel
    from callbridge.server.config.settings import Settings
    from callbridge.telephony.rest.client import TwilioRest

ANY_NUMBER: Final = "any"
_NUMBER: Final = re.compile(r"[+(]?\d[\d ().-]{4,}")
"""What follows `--phone` and is no agent."""

INTERRUPTED_STATUS: Final = 130
"""As shells have it: 128 and the number of SIGINT."""

_IMPATIENT: Final = Patience(timeout_s=4.0)
"""Somebody waits at a screen."""


class DevCommand(TyperCommand):
    """Takes `--phone` with a number and without one, which typer does not offer."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer's.
        """Reads the command line."""
        told = []
        for at, word in enumerate(args):
            has_number = any(map(_NUMBER.fullmatch, args[at + 1 : at + 2]))
            told += [word, ANY_NUMBER] if word == "--phone" and not has_number else [word]
        return super().parse_args(ctx, told)


Agent = Annotated[
    str, typer.Argument(metavar="[AGENT]", help="module:name, a file or a folder; else CALLBRIDGE_AGENT.")
]
Phone = Annotated[
    str,
    typer.Option(
        metavar="[NUMBER]",
        help="Let a number of your Twilio account lead here, until Ctrl-C. Without NUMBER: the only one.",
    ),
]
TunnelKind = Annotated[
    str,
    typer.Option(
        metavar="KIND",
        help="With --phone: cloudflared (the usual one), ngrok, or the https:// address of your own. "
        "None is needed where PUBLIC_BASE_URL is public.",
    ),
]
Port = Annotated[
    int | None, typer.Option(min=1, max=65_535, help="In place of PORT, or of one that is free.")
]
PagePort = Annotated[
    int | None, typer.Option(min=1, max=65_535, help="Of the pages; any that is free without it.")
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Print where the pages are, and open nothing.")]
Simulated = Annotated[bool, typer.Option("--simulated", help="The simulated model, though there is a key.")]
ScriptFile = Annotated[
    Path | None,
    typer.Option(help="What the simulated model says, as in callbridge simulate model. No other is asked."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a number is pointed here.")]
Restore = Annotated[
    bool, typer.Option("--restore", help="Only put back the numbers that an earlier run has left here.")
]
NgrokToken = Annotated[str, typer.Option(envvar="NGROK_AUTHTOKEN", hidden=True)]


def dev(
    agent: Agent = "",
    phone: Phone = "",
    tunnel: TunnelKind = "",
    port: Port = None,
    simulated: Simulated = False,
    script: ScriptFile = None,
    page_port: PagePort = None,
    no_browser: NoBrowser = False,
    yes: Yes = False,
    restore: Restore = False,
    ngrok_token: NgrokToken = "",
) -> None:
    """Serve on this machine for development: without keys against simulators, with them for real.

    A page opens on which you talk to the agent. Transcripts are shown, calls are kept in .callbridge/ for a
    week, and little may be spent. With --phone a tunnel is opened and a number leads here; Ctrl-C puts it
    back where it led before.
    """
    told = what_is_told(agent, port, is_simulated=simulated, script=script)
    screen = Screen()
    wishes = Wishes(
        number="" if phone == ANY_NUMBER else phone,
        is_public=bool(phone),
        tunnel=tunnel,
        ngrok_token=ngrok_token,
        is_agreed=yes,
        page_port=page_port or 0,
        opens_browser=not no_browser and may_open_browser(told.values),
    )
    try:
        with ended_like_ctrl_c(), Session(told, screen) as session:
            session.give_back() if restore else session.serve(wishes)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED_STATUS) from None
    except (SettingsError, StartError) as error:
        show(as_findings(error.problems) if isinstance(error, SettingsError) else error.findings)
        raise typer.Exit(1) from error
    except DevTrouble as trouble:
        screen.trouble(str(trouble), trouble.remedy)
        raise typer.Exit(1) from trouble
    except (RestFault, NumberError, KeptError, OSError) as fault:
        screen.trouble(str(fault).removesuffix("."))
        raise typer.Exit(1) from fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is wanted beside serving."""

    is_public: bool = False
    number: str = ""
    tunnel: str = ""
    ngrok_token: str = ""
    is_agreed: bool = False
    page_port: int = 0
    """0: any that is free."""
    opens_browser: bool = False


class Session:
    """One use of the command: what it opens, and the loop in which that lives.

    The agent's code is imported between two runs of the loop: it may want one of its own.
    """

    def __init__(self, told: Told, screen: Screen) -> None:
        self._told, self._screen = told, screen
        self._runner = asyncio.Runner()
        self._opened = AsyncExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._runner.run(self._opened.aclose())
        finally:
            self._runner.close()

    def give_back(self) -> None:
        """Only puts numbers back that an earlier run has left pointed here."""
        self._needs_account()
        # No model is needed for it, nor a place to be reached at.
        nowhere = f"{LOOPBACK}:1"
        settings = development_settings(
            self._told, port=1, base_url=f"http://{nowhere}", model_url=f"ws://{nowhere}/v1/realtime"
        )
        if not self._runner.run(self._give_back(settings)):
            self._screen.say("No number is left that leads here because of an earlier run.")

    def serve(self, wishes: Wishes) -> None:
        """Serves until it is told to stop.

        Raises:
            DevTrouble: it cannot, or cannot any more.
            SettingsError: something that was told is wrong.
            StartError: the agent cannot be loaded, or something else that the settings name.
        """
        from callbridge.cli.development.pages import Pages  # noqa: PLC0415 - other commands need none

        run, opened = self._runner.run, self._opened
        listeners = listeners_for(self._told)
        for listener in listeners:
            opened.enter_context(listener)
        port = listeners[0].getsockname()[1]
        local = f"http://{LOOPBACK}:{port}"
        model_url = run(self._model_url()) if self._told.simulates_model else ""
        folder = calls_folder(Path.cwd())
        settings = development_settings(
            self._told, port=port, base_url=local, model_url=model_url, folder=folder
        )
        configure_logging(
            settings.log_level,
            settings.log_format,
            secrets=settings.secrets,
            with_words=settings.log_transcripts,
        )
        public = None
        if wishes.is_public:
            self._needs_account()
            number = run(self._number(settings, wishes))
            tunnel = run(self._tunnel(wishes, port))
            public = Public(tunnel, number)
            settings = development_settings(
                self._told, port=port, base_url=tunnel.url, model_url=model_url, folder=folder
            )
        prepared = prepare(settings)
        self._screen.what_runs(self._told, settings, prepared.roster.agents)
        step = how_to_call(settings.voice_url, [agent for _, agent in prepared.roster.all_agents])
        pages = Pages(opened.enter_context(tcp_listener(LOOPBACK, wishes.page_port)), wishes.opens_browser)
        if public is not None and public.number is not None:
            pages.called = public.number.number.number
        serving = Run(prepared, settings, self._told, self._screen, pages, public, step)
        run(serving.serve(listeners))
        if serving.trouble is not None:
            raise serving.trouble

    async def _model_url(self) -> str:
        try:
            script = read_script(self._told.script)
        except ScriptError as error:
            raise DevTrouble(str(error)) from error
        prompter = StandIn if self._told.script is None else None
        return (await self._opened.enter_async_context(serve_model(script, prompter=prompter))).url

    async def _tunnel(self, wishes: Wishes, port: int) -> Tunnel:
        if not wishes.tunnel and self._told.public_url:
            return OwnTunnel(self._told.public_url)
        kind = wishes.tunnel or CLOUDFLARED
        if not kind.startswith("http"):
            self._screen.say(f"Opening a tunnel with {kind} …")
        return await self._opened.enter_async_context(open_tunnel(kind, port, wishes.ngrok_token))

    async def _number(self, settings: Settings, wishes: Wishes) -> BorrowedNumber:
        """The number that is to be borrowed. Whoever it serves now is asked for."""
        await self._give_back(settings)
        rest = await self._rest(settings)
        with contextlib.suppress(RestFault):  # A key may change numbers without seeing the account.
            if (await rest.account()).is_trial:
                raise DevTrouble(
                    "this is a trial account: Twilio takes <Stream> out of every answer",
                    "Upgrade it first, at https://console.twilio.com.",
                )
        number = BorrowedNumber(rest, await choose(rest, wishes.number), self._kept(settings))
        if (others := number.plan(settings).of_others) and not wishes.is_agreed:
            leads_to = ", ".join(f"{change.words} {change.before}" for change in others)
            question = f"{number.number.number} is in use ({leads_to}). Point it here, until Ctrl-C?"
            if not agrees(question):
                raise DevTrouble(
                    "the number stays where it is", "Name another one: callbridge dev --phone NUMBER"
                )
        return number

    async def _give_back(self, settings: Settings) -> bool:
        return await give_back_what_was_left(
            await self._rest(settings), self._kept(settings), self._screen.say
        )

    async def _rest(self, settings: Settings) -> TwilioRest:
        return await self._opened.enter_async_context(open_rest(settings.rest_credentials, _IMPATIENT))

    def _kept(self, settings: Settings) -> KeptPointings:
        return borrowed(settings, self._told.values.get("CALLBRIDGE_STATE_PATH", ""))

    def _needs_account(self) -> None:
        if not self._told.has_account:
            raise DevTrouble(
                "--phone needs your Twilio account: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set",
                "Copy both from https://console.twilio.com into .env.",
            )
