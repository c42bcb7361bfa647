"""`callbridge simulate text`: a text model on this machine, for what looks at calls that are over.

Options and output only. What the model does is in `simulators.text_model`.
"""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from callbridge.cli.call_options import found_settings
from callbridge.cli.running_until_stopped import running_until_stopped
from callbridge.simulators.text_model import ANY, CallsTool, Says, TextModel, serve_text_model

if TYPE_CHECKING:
    from callbridge.simulators.text_model.completions import Reaction

TEXT_PORT: Final = 9020
KEY: Final = "any"
"""Of a service that was given no key."""


def simulate_text(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 for a free one.")
    ] = TEXT_PORT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    model: Annotated[
        list[str] | None, typer.Option(help="A model that it has. Repeatable; gpt-5-mini when none is named.")
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A JSON file: a list of what it answers, one entry after the other; or an object of such "
            "lists, by the name of the schema that is asked for (caller_turn, verdicts, …). Then, "
            "and without a file, it answers the least that fits what it is asked for.",
        ),
    ] = None,
) -> None:
    """Serve Chat Completions with structured outputs, strict as OpenAI's: what those refuse is refused.

    Its key is OPENAI_API_KEY of the environment or `.env`, where there is one.
    """
    console = Console()
    key = found_settings().get("OPENAI_API_KEY") or KEY
    made = TextModel(frozenset(model or ("gpt-5-mini",)), key)
    for schema, entries in ({} if answers is None else entries_of(answers)).items():
        made.will_answer(schema, *entries)
    with running_until_stopped(console, host, port):
        asyncio.run(_serve(console, made, host, port))


def entries_of(path: Path) -> dict[str, list[Reaction]]:
    """The answers by the schema that they are for; those under `ANY` are for whatever is asked."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise typer.BadParameter(f"{path} is not JSON: {error}", param_hint="--answers") from error
    by_schema = {ANY: found} if isinstance(found, list) else found
    if not isinstance(by_schema, dict) or not all(isinstance(each, list) for each in by_schema.values()):
        raise typer.BadParameter(f"{path} is not a list of answers", param_hint="--answers")
    return {schema: [_reaction(schema, entry) for entry in entries] for schema, entries in by_schema.items()}


def _reaction(schema: str, entry: object) -> Reaction:
    """Where no schema is asked for, the model may call a tool."""
    match entry:
        case {"tool": str(name), **rest} if not schema and not rest.keys() - {"arguments"}:
            return CallsTool(name, rest.get("arguments", {}))
        case _:
            return Says(entry)


async def _serve(console: Console, model: TextModel, host: str, port: int) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with serve_text_model(model, host, port) as server:
        names = ", ".join(sorted(model.models))
        console.print(f"[bold]{server.base_url}[/]  {names}, nobody is billed", soft_wrap=True)
        console.print("for the service:", style="dim")
        console.print(f"CALLBRIDGE_ANALYSIS_URL={server.base_url}", soft_wrap=True, highlight=False)
        console.print(f"CALLBRIDGE_ANALYSIS_MODEL={min(model.models)}", soft_wrap=True, highlight=False)
        console.print("for tests of agents:", style="dim")
        console.print(f"CALLBRIDGE_TEST_MODEL={min(model.models)}", soft_wrap=True, highlight=False)
        await stopped.wait()
