"""`callbridge test --rejudge`: stored conversations are judged again, and nobody is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import typer
from rich.console import Console
from rich.markup import escape

from callbridge.testing.persona.conversation import SUFFIX, ConversationError
from callbridge.testing.persona.judging import rejudged
from callbridge.testing.persona.missing import TextModelMissing
from callbridge.testing.persona.text_models import TextModelFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from callbridge.testing.persona.conversation import Conversation

PASSED, FAILED, UNUSABLE, NOTHING = 0, 1, 2, 5

_STYLES: Final = {"yes": "green", "no": "red", "unsure": "yellow"}


def rejudge(paths: Iterable[Path], *, as_json: bool) -> int:
    """Judges the conversations in these files and folders again; each file gets the new judgement.

    Returns:
        0: every criterion of all holds; 1: one does not; 2: a file cannot be used, or the judge cannot be
        asked; 5: there is no conversation.
    """
    console = Console(quiet=as_json, highlight=False)
    told, statuses = [], []
    for path in _conversations(paths):
        try:
            conversation = rejudged(path)
        except (ConversationError, TextModelMissing, TextModelFault) as error:
            typer.echo(str(error), err=True)
            statuses.append(UNUSABLE)
            continue
        now = conversation.judgements[-len(conversation.judges) :]
        told.append({"file": str(path), "title": conversation.title, "judgements": now})
        _show(path, conversation, console)
        statuses.append(PASSED if all(one.is_passed for one in now) else FAILED)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    return max(statuses, default=NOTHING)


def _conversations(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]


def _show(path: Path, conversation: Conversation, console: Console) -> None:
    count = len(conversation.judges)
    before = {one.criterion: one.answer for each in conversation.judgements[:-count] for one in each.verdicts}
    for judgement in conversation.judgements[-count:]:
        console.print(
            f"[bold]{escape(conversation.title)}[/]  {escape(str(path))}  {escape(judgement.model)}",
            soft_wrap=True,
        )
        for verdict in judgement.verdicts:
            was = before.get(verdict.criterion, verdict.answer)
            changed = "" if was == verdict.answer else f" (it was {was})"
            console.print(
                f"  [{_STYLES[verdict.answer]}]{verdict.answer}[/] {verdict.confidence:.2f}{changed} "
                f"{escape(verdict.criterion)} [dim]{escape(verdict.reason)}[/]",
                soft_wrap=True,
            )
