"""The price list: `prices.toml` beside this module, and a file of the user's own over it.

Reads only. What is wrong with a file is told with its line and what to write there.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from callbridge.agents.written.key_lines import key_lines, line_of
from callbridge.call.price import Price, TextPrice, TranscriptionPrice, microdollars
from callbridge.call.price_list import CONFERENCE, RECORDING, STREAM, PriceList
from callbridge.server.config.text_file import text_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from callbridge.agents.written.key_lines import KeyPath

OLD_AFTER_DAYS: Final = 180
"""Vendors change their prices about once in half a year."""

_DOLLARS_MAX: Final = 100_000
_BYTES_MAX: Final = 1_000_000

Dollars = Annotated[float, msgspec.Meta(ge=0, le=_DOLLARS_MAX)]


class PricesError(Exception):
    """A price list cannot be used; says where, why, and what to write there."""


class _Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: Dollars
    cached: Dollars
    output: Dollars


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: _Kind
    audio: _Kind

    def price(self) -> Price:
        return Price(
            text_input=microdollars(self.text.input),
            text_cached=microdollars(self.text.cached),
            text_output=microdollars(self.text.output),
            audio_input=microdollars(self.audio.input),
            audio_cached=microdollars(self.audio.cached),
            audio_output=microdollars(self.audio.output),
        )


class _Minutes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    minute: Dollars

    def price(self) -> TranscriptionPrice:
        return TranscriptionPrice(minute=microdollars(self.minute))


class _Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: Dollars
    output: Dollars

    def price(self) -> TranscriptionPrice:
        return TranscriptionPrice(input=microdollars(self.input), output=microdollars(self.output))


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: Dollars
    output: Dollars

    def price(self) -> TextPrice:
        return TextPrice(input=microdollars(self.input), output=microdollars(self.output))


@dataclass(frozen=True, slots=True)
class Source:
    """Where the prices of a section come from."""

    as_of: dt.date
    source: str


_SECTIONS: Final = {
    "models": "text and audio, each { input = 4.00, cached = 0.40, output = 24.00 } per million tokens",
    "transcription": "{ minute = 0.0045 }, or { input = 2.50, output = 10.00 } per million tokens",
    "analysis": "{ input = 2.50, output = 10.00 } per million tokens",
    "inbound": "US dollars per started minute, by the beginning of a number, client or sip: 0.0085",
    "outbound": "US dollars per started minute, by the beginning of a number, client or sip: 0.0140",
    "telephone": "US dollars per started minute of stream, conference or recording: 0.0044",
    "texts": "US dollars per segment, by the beginning of a number: 0.0083",
}
"""What may stand in each, for whoever has written something else."""

_TELEPHONE: Final = frozenset({STREAM, CONFERENCE, RECORDING})


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list, and where each of its sections comes from."""

    list: PriceList
    sources: Mapping[str, Source]

    def older_than(self, days: int, today: dt.date) -> dict[str, dt.date]:
        """The sections that are, with the day of each."""
        dates = {section: source.as_of for section, source in self.sources.items()}
        return {section: as_of for section, as_of in dates.items() if (today - as_of).days > days}


@lru_cache(maxsize=8)
def read_prices(path: Path | None = None) -> Prices:
    """The package's own prices, and those of a user's file in place of them or beside them. Read once.

    Raises:
        PricesError: there is no such file, or something in it is wrong.
    """
    own = _read(files("callbridge.server.config").joinpath("prices.toml").read_text("utf-8"), "prices.toml")
    sections, sources = own.sections, own.sources
    if path is not None:
        users = _read(_text_in(path), str(path))
        sections = {name: entries | users.sections.get(name, {}) for name, entries in sections.items()}
        sources = sources | users.sources
    return Prices(_made_of(sections, sources), sources)


def _made_of(sections: Mapping[str, Mapping[str, Any]], sources: Mapping[str, Source]) -> PriceList:
    lines = {
        (name if section == "telephone" else f"{section} {name}"): microdollars(dollars)
        for section in ("inbound", "outbound", "telephone")
        for name, dollars in sections[section].items()
    }
    return PriceList(
        as_of=min(source.as_of for source in sources.values()).isoformat(),
        models={name: model.price() for name, model in sections["models"].items()},
        transcription={name: model.price() for name, model in sections["transcription"].items()},
        analysis={name: model.price() for name, model in sections["analysis"].items()},
        lines=lines,
        texts={f"text {name}": microdollars(dollars) for name, dollars in sections["texts"].items()},
    )


# --- Reading a file -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _File:
    sections: dict[str, dict[str, Any]]
    sources: dict[str, Source]


def _text_in(path: Path) -> str:
    return text_in(
        path,
        _BYTES_MAX,
        "has more than 1 MB, and is no price list",
        lambda what: PricesError(f"{path} {what}"),
    )


def _read(text: str, name: str) -> _File:
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise PricesError(f"{name} is not TOML: {error}") from error
    reader = _Reader(name, key_lines(text))
    usual = reader.source(data, (), None)
    given = data.pop("sources", {})
    if not isinstance(given, dict) or given.keys() - _SECTIONS.keys():
        raise reader.fault(("sources",), f"is to have tables of its own: {', '.join(_SECTIONS)}")
    sections = {
        section: reader.section(section, data.pop(section)) for section in _SECTIONS if section in data
    }
    for key in data.keys() - {"as_of", "source"}:
        raise reader.fault((key,), f"is no section of a price list; there are {', '.join(_SECTIONS)}")
    sources = {
        section: reader.source(given.get(section), ("sources", section), usual) for section in sections
    }
    return _File(sections, {section: source for section, source in sources.items() if source is not None})


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the parts of a file; knows where they stand."""

    name: str
    lines: dict[KeyPath, int]

    def section(self, section: str, entries: object) -> dict[str, Any]:
        if not isinstance(entries, dict):
            raise self.fault((section,), f"is no table. Write [{section}]")
        return {str(key): self.entry(section, str(key), value) for key, value in entries.items()}

    def entry(self, section: str, key: str, value: object) -> object:
        if section == "telephone" and key not in _TELEPHONE:
            raise self.fault((section, key), f"is not known; there are {', '.join(sorted(_TELEPHONE))}")
        if section in {"inbound", "outbound", "texts"} and not _is_beginning(
            key, has_schemes=section != "texts"
        ):
            raise self.fault((section, key), 'is no beginning of a number. Write it as "+44"')
        try:
            return msgspec.convert(value, _kind_of(section, value))
        except msgspec.ValidationError as error:
            words = str(error).replace(" - at `$`", "").replace("`$.", "`")
            raise self.fault((section, key), f"is no price: {words}. Write {_SECTIONS[section]}") from error

    def source(self, given: object, path: KeyPath, usual: Source | None) -> Source | None:
        """Day and address: of the file, which must have them, or of a section, which may."""
        if given is None and usual is not None:
            return usual
        found = given if isinstance(given, dict) else {}
        as_of, source = found.get("as_of"), found.get("source")
        if not isinstance(as_of, dt.date) or isinstance(as_of, dt.datetime) or not isinstance(source, str):
            raise self.fault(
                path,
                "does not say where its prices come from, and of which day they are. "
                'Write as_of = 2026-11-01 and source = "https://…"' + ("" if path else " in its first lines"),
            )
        return Source(as_of, source)

    def fault(self, path: KeyPath, what: str) -> PricesError:
        line = line_of(path, self.lines)
        where = self.name if line is None else f"{self.name}, line {line}"
        return PricesError(f"{where}: {'.'.join(map(str, path))} {what}" if path else f"{where} {what}")


def _kind_of(section: str, value: object) -> Any:
    if section == "models":
        return _Model
    if section == "transcription":
        return _Minutes if isinstance(value, dict) and "minute" in value else _Tokens
    if section == "analysis":
        return _Text
    return Dollars


def _is_beginning(key: str, *, has_schemes: bool) -> bool:
    if has_schemes and key in {"client", "sip"}:
        return True
    return key.startswith("+") and key[1:].isascii() and key[1:].isdigit()
