"""What `callbridge dev` says: what runs, what of it is real and what simulated, and the next step."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from callbridge.cli.development.folder import KEPT_DAYS, NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.agents.agent import Agent
    from callbridge.cli.development.configuration import Told
    from callbridge.server.config.settings import Settings

WIDTH: Final = 10


class Screen:
    """Where it says so."""

    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)

    def row(self, name: str, *words: str) -> None:
        """One thing that runs."""
        first, *more = words
        # As text, not markup: what users have named may have brackets in it.
        self._console.print(Text.assemble((f"{name:<{WIDTH}}", "bold"), first))
        for line in more:
            self._console.print(Text(f"{'':<{WIDTH}}{line}", style="dim"))

    def say(self, words: str) -> None:
        """Something that has happened."""
        self._console.print(Text(words))

    def next_step(self, words: str) -> None:
        """What to do now."""
        self._console.print(Text(words, style="bold"))

    def trouble(self, what: str, remedy: str = "") -> None:
        """What keeps it from going on."""
        self._console.print(Text.assemble(("wrong  ", "bold red"), f"{what}."))
        if remedy:
            self._console.print(Text(f"       {remedy}", style="dim"))

    def what_runs(self, told: Told, settings: Settings, agents: Iterable[str]) -> None:
        """The service, and what is real of it."""
        self.row("agent", _agents(settings, agents))
        self.row("model", *_model(told, settings))
        self.row("account", *_account(told, settings))
        self.row("kept", _kept(settings))
        self.row("listens", f"http://{settings.host}:{settings.port}")


def _kept(settings: Settings) -> str:
    if settings.recordings is None:
        return f"nothing: {NAME}/ cannot be made here. Transcripts are shown here."
    return f"calls of the last {KEPT_DAYS} days, with words and sound, in {NAME}/"


def how_to_call(voice_url: str, agents: Iterable[Agent]) -> str:
    """The command for another terminal: with the first person to whom an agent may put callers through."""
    to = (destination.to for agent in agents for destination in agent.destinations.values())
    person = next((address for address in to if isinstance(address, str)), "")
    there = f" --person {shlex.quote(person)}=takes" if person else ""
    return f"Call it from another terminal: callbridge simulate call {voice_url}{there}"


def _agents(settings: Settings, agents: Iterable[str]) -> str:
    if settings.agent is None:
        return "made of the settings alone. Yours: callbridge dev module:name"
    return f"{', '.join(agents)}, from {settings.agent}"


def _model(told: Told, settings: Settings) -> tuple[str, ...]:
    if not told.simulates_model:
        caps = f"{settings.spend_per_hour_max:g} $ an hour, {settings.spend_per_day_max:g} $ a day"
        return (f"real: {settings.realtime_model} at {settings.realtime_url}", f"Spends at most {caps}.")
    why = "as you wish" if "OPENAI_API_KEY" in told.values else "OPENAI_API_KEY is not set"
    lines = f"the lines of {told.script}" if told.script else "your greeting and then lines of its own"
    return (
        f"simulated, in this process: {why}",
        f"It says {lines}, understands nothing, and costs nothing.",
    )


def _account(told: Told, settings: Settings) -> tuple[str, ...]:
    if not told.has_account:
        return (
            "made up: TWILIO_ACCOUNT_SID is not set. Only a simulated phone can call.",
            f"Transfers and texts ask {settings.twilio_api_url}, where a simulated call serves it.",
        )
    if settings.twilio_api_url:
        return (f"simulated, at {settings.twilio_api_url}",)
    sid = settings.twilio_account_sid
    return (f"real: {sid[:6]}…{sid[-4:]}",)
