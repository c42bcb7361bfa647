"""The price list: the package's own, and a user's file over it, whose faults are told with their lines."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from callbridge.call.price import LinePrice, TranscriptionPrice
from callbridge.call.usage import Usage
from callbridge.server.config.prices import OLD_AFTER_DAYS, PricesError, read_prices
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.config.settings import read_settings
from desks import NEEDED

OWN = read_prices()
IN_TOKENS = Usage(transcription_input_tokens=200, transcription_output_tokens=9)
HEAD = 'as_of = 2026-11-01\nsource = "our contract"\n'


def written(folder: Path, text: str, head: str = HEAD) -> Path:
    path = folder / "prices.toml"
    path.write_text(head + text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("caller", "called", "price"),
    [
        ("+4930123456", "+14155550100", LinePrice(name="inbound +1", line=8_500, stream=4_400)),
        ("+14155550101", "+18885550100", LinePrice(name="inbound +1888", line=22_000, stream=4_400)),
        ("client:anna", "+18885550100", LinePrice(name="inbound client", line=4_000, stream=4_400)),
        ("sip:anna@example.com", "sip:desk@x", LinePrice(name="inbound sip", line=4_000, stream=4_400)),
        # The list is that of the USA: nobody guesses what another country costs.
        ("+14155550101", "+4930123456", LinePrice(name="inbound +493", line=None, stream=4_400)),
        ("", "", LinePrice(name="inbound", line=None, stream=4_400)),
    ],
)
def test_a_line_is_billed_by_who_calls_what(caller: str, called: str, price: LinePrice) -> None:
    assert OWN.list.line(caller, called) == price


def test_people_and_texts_are_billed_by_their_numbers() -> None:
    assert OWN.list.outbound("+14155550100") == "outbound +1"
    assert OWN.list.outbound("sips:anna@example.com") == "outbound sip"
    assert (OWN.list.text("+14155550100"), OWN.list.texts["text +1"]) == ("text +1", 8_300)


@pytest.mark.parametrize(
    ("model", "usage", "picodollars"),
    [
        # Twenty seconds at $0.0045 a minute; the same told in tokens, of which a minute has 600.
        ("gpt-transcribe", Usage(transcription_ms=20_000), 1_500_000_000),
        (
            "gpt-transcribe",
            IN_TOKENS,
            1_500_000_000,
        ),
        (
            "gpt-4o-transcribe",
            IN_TOKENS,
            590_000_000,
        ),
        ("gpt-4o-transcribe", Usage(transcription_ms=20_000), None),
        ("gpt-4o-transcribe", Usage(), 0),
    ],
)
def test_transcripts_cost_what_they_are_told_in(model: str, usage: Usage, picodollars: int | None) -> None:
    price = OWN.list.transcription_model(model)
    assert price is not None
    assert price.cost_picodollars(usage) == picodollars


def test_a_file_of_ones_own_replaces_and_adds(tmp_path: Path) -> None:
    own = written(
        tmp_path,
        '[inbound]\n"+44" = 0.0100\n"+1" = 0.0050\n[transcription]\nmine = { minute = 1 }\n'
        '[models."our-model"]\ntext = { input = 1, cached = 0.5, output = 2 }\n'
        "audio = { input = 3, cached = 0.25, output = 4 }\n",
    )
    prices = read_prices(own)
    assert prices.list.line("", "+442071234567") == LinePrice(name="inbound +44", line=10_000, stream=4_400)
    assert prices.list.line("", "+14155550100").line == 5_000
    assert prices.list.line("", "+18885550100").line == 22_000
    assert prices.list.transcription_model("mine") == TranscriptionPrice(minute=1_000_000)
    assert prices.list.model("gpt-realtime-2.1") == OWN.list.model("gpt-realtime-2.1") is not None
    new = prices.list.model("our-model-2026-11-01")
    assert new is not None
    assert new.cost_microdollars(Usage(1_000_000)) == 1_000_000
    assert prices.sources["inbound"].as_of == dt.date(2026, 11, 1)
    assert prices.list.as_of == "2026-09-21", "the oldest part: what the file does not touch"


def test_old_prices_are_known(tmp_path: Path) -> None:
    """Of the file those that it has; the rest is as old as the package."""
    today = max(source.as_of for source in OWN.sources.values()) + dt.timedelta(days=OLD_AFTER_DAYS + 1)
    assert set(OWN.older_than(OLD_AFTER_DAYS, today)) == set(OWN.sources)
    own = read_prices(written(tmp_path, "[telephone]\nstream = 0.0040\n"))
    assert "telephone" not in own.older_than(OLD_AFTER_DAYS, today)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[inbound]\n"+44" = "cheap"\n',
            "line 4: inbound.+44 is no price: Expected `float`, got `str`.",
        ),
        ('[inbound]\n"+44" = -1\n', "line 4: inbound.+44 is no price: Expected `float` >= 0"),
        ('[inbound]\n"+44" = nan\n', "line 4: inbound.+44 is no price"),
        ("[inbound]\n44 = 0.01\n", 'line 4: inbound.44 is no beginning of a number. Write it as "+44"'),
        ("[texts]\nclient = 0.01\n", "line 4: texts.client is no beginning of a number"),
        ("[telephone]\nstraem = 0.01\n", "line 4: telephone.straem is not known; there are conference,"),
        ("[modles]\nx = 1\n", "line 3: modles is no section of a price list; there are models,"),
        (
            '[models."m"]\ntext = { input = 1, cached = 0.5 }\naudio = {}\n',
            "line 3: models.m is no price: Object missing required field `output`",
        ),
        ("[transcription]\nt = { hour = 1 }\n", "line 4: transcription.t is no price"),
        ("inbound = 3\n", "line 3: inbound is no table. Write [inbound]"),
        ("sources = 3\n", "line 3: sources is to have tables of its own"),
        ("[sources.inbound]\nas_of = 2026\n[inbound]\n", "line 3: sources.inbound does not say where"),
        ("[inbound\n", "is not TOML: "),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(PricesError) as told:
        read_prices(path)
    assert str(told.value).startswith(str(path))
    assert said in str(told.value)


@pytest.mark.parametrize("head", ["", "as_of = 2026-11-01\n", 'as_of = "today"\nsource = "us"\n'])
def test_a_list_says_of_which_day_it_is(tmp_path: Path, head: str) -> None:
    with pytest.raises(PricesError, match=r"of which day they are.*in its first lines"):
        read_prices(written(tmp_path, "[texts]\n", head))


def test_a_start_without_the_file_fails_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"CALLBRIDGE_PRICES names a price list .*: No such file"):
        read_settings({**NEEDED, "CALLBRIDGE_PRICES": str(tmp_path / "none.toml")})
