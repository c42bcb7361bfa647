"""The report as one page: every scenario with its runs, and a call of each to look at and to listen to.

One file that needs no other, and no script. It is drawn by the templates of the developer's pages.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from callbridge.console.call_view import CallView, view_of
from callbridge.console.lanes import Lanes, Sound, lanes_of
from callbridge.records.code_version import callbridge_version
from callbridge.records.recording.wav import header
from callbridge.testing.saving import save_call
from callbridge.testing.scenarios.telling import rate_line, spread_lines
from callbridge.wire.audio import BYTES_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from callbridge.testing.call_data import CallData
    from callbridge.testing.scenarios.results import Failure, Outcome
    from callbridge.testing.scenarios.told import Told

PAGE: Final = "report.html"
"""What it is called in a folder."""

SOUND_BYTES_MAX: Final = 32 * 1024 * 1024
"""Of all calls together: half an hour of both sides. What comes behind has no sound in the page."""

_STYLES: Final = ("console.css", "calls.css")

_IDS: Final = re.compile(r'\b(id|aria-labelledby|aria-describedby|href|for)="(#?)([A-Za-z][\w-]*)"')
_CUT_IDS: Final = frozenset({"href"})


@dataclass(frozen=True, slots=True)
class ShownCall:
    """A call on the page."""

    key: str
    title: str
    view: CallView
    lanes: Lanes
    wav: str
    """The sound, as an address with all of it; empty where there is no room for it."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A test on the page."""

    key: str
    test: Told
    outcome: Outcome | None
    """Of a scenario."""
    rate: str
    spreads: list[str]
    failures: list[Failure]
    judgement: str
    """What a judge has said, with the reasons."""
    calls: list[ShownCall]


def write_report(path: Path, tests: Sequence[Told]) -> Path:
    """Writes the page to `path`; into it, where it is a folder, with the failed calls beside it.

    Raises:
        OSError: it cannot be written.
    """
    page = path
    if path.suffix.lower() not in {".html", ".htm"}:
        page = path / PAGE
        for test in tests:
            for number, call in _failed_calls(test):
                save_call(call, path / _as_file(test.name) / number)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(report_page(tests), encoding="utf-8")
    return page


def _failed_calls(test: Told) -> Iterable[tuple[str, CallData]]:
    if test.ran is not None:
        yield from ((f"seed-{seed}", call) for seed, call in test.ran.calls.items())
    elif not test.passed:
        yield from ((str(number), call) for number, call in enumerate(test.calls, 1))


def report_page(tests: Sequence[Told]) -> str:
    """The page."""
    room = SOUND_BYTES_MAX
    shown = []
    for number, test in enumerate(tests, 1):
        shown.append(_shown(test, f"t{number}", room))
        room -= sum(len(call.wav) for call in shown[-1].calls)
    template = _environment().get_template(PAGE)
    return template.render(
        shown=shown,
        version=callbridge_version(),
        style="\n".join(_style(name) for name in _STYLES),
        passed=sum(test.passed for test in tests),
        total=sum(not test.skipped for test in tests),
    )


def _shown(test: Told, key: str, room: int) -> Shown:
    ran = test.ran
    if ran is None:
        calls = [_shown_call(call, f"{key}-{number}", room) for number, call in enumerate(test.calls, 1)]
        return Shown(key, test, None, "", [], [], "", calls)
    outcome = ran.outcome
    is_one = len(outcome.runs) == 1
    return Shown(
        key,
        test,
        outcome,
        "" if is_one else rate_line(outcome),
        [] if is_one else spread_lines(outcome),
        outcome.failures(),
        (outcome.first_failed or outcome.runs[0]).judgement,
        [] if ran.shown is None else [_shown_call(ran.shown, f"{key}-1", room, is_one=is_one)],
    )


def _shown_call(call: CallData, key: str, room: int, *, is_one: bool = True) -> ShownCall:
    sound = sound_of(call)
    wav = _as_address(sound)
    return ShownCall(
        key,
        call.title if is_one else f"{call.title}, seed {call.seed}",
        view_of(call.story, _complaints(call)),
        lanes_of(call.story, sound),
        wav if len(wav) <= room else "",
    )


def sound_of(call: CallData) -> Sound:
    """Both sides from the first fact of the story on, whose times the lanes count in."""
    begin = call.story_from_ms * BYTES_PER_MS
    return Sound(call.caller_audio[begin:], call.heard_audio[begin:])


def _complaints(call: CallData) -> list[str]:
    return [f"{one.kind.replace('_', ' ')}: {one.text}" for one in call.complaints]


def _as_address(sound: Sound) -> str:
    both = sound.stereo
    return "data:audio/wav;base64," + base64.b64encode(header(len(both)) + both).decode()


def _as_file(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")


def _environment() -> Environment:
    loader = ChoiceLoader(
        [PackageLoader("callbridge.testing.scenarios"), PackageLoader("callbridge.console")]
    )
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["own_ids"] = own_ids
    return environment


def _style(name: str) -> str:
    file = files("callbridge.console") / "static" / name
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def own_ids(markup: str, key: str) -> str:
    """The markup of one call among others on a page: what it names within itself gets `key` in front."""

    def owned(found: re.Match[str]) -> str:
        name, mark, target = found.groups()
        is_within = name not in _CUT_IDS or bool(mark)
        return f'{name}="{mark}{key}-{target}"' if is_within else found[0]

    return type(markup)(_IDS.sub(owned, str(markup)))
