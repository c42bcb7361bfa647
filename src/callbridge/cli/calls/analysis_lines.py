"""What a text model found in a call, as lines of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from rich.text import Text

from callbridge.cli.calls.in_words import quoted
from callbridge.observe.redaction import escaped
from callbridge.records.analysis.result import AnalysisResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.records.analysis.promises import Checked

_KEPT = frozenset({"done", "no_tool"})


def analysis_lines(analysis: str) -> Iterator[tuple[str, Text]]:
    """Name and words of each, from the JSON text in a story; that text where another version wrote it."""
    try:
        found = msgspec.json.decode(analysis, type=AnalysisResult)
    except msgspec.DecodeError:
        yield "analysis", Text(escaped(analysis))
        return
    yield "analysis", Text(escaped(found.summary))
    outcome = found.outcome.replace("_", " ")
    felt = f"{outcome} · sentiment {found.sentiment:+.1f} · lead score {found.lead_score}"
    yield "wanted", Text.assemble(escaped(found.intent), (f" · {felt}", "dim"))
    for entry in found.follow_ups:
        yield "to do", Text(escaped(entry), "yellow")
    for promise in found.promises:
        yield "promised", _promise(promise)


def _promise(promise: Checked) -> Text:
    by = f", tool {escaped(promise.tool)}" if promise.tool else ""
    style = "" if promise.verdict in _KEPT else "yellow"
    became = f"{promise.verdict.value.replace('_', ' ')}{by}, turn {promise.turn}"
    return Text.assemble(quoted(promise.words), " ", (became, style))
