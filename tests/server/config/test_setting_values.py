"""Single values: what a person may write, and the one form that the service sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from callbridge.server.config.setting_values import Dollars, PhoneNumber, SoundFile, is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("[::1]", True), ("::1", True), ("::", False)],
)
def test_is_loopback(host: str, expected: bool) -> None:
    """Only this machine's own addresses count."""
    assert is_loopback(host) is expected


@pytest.mark.parametrize("text", ["+14155550123", "+491711234567", "+1234567", "+123456789012345"])
def test_phone_number_is_taken_as_it_is(text: str) -> None:
    """Seven to fifteen digits behind a plus are what a network can dial."""
    assert TypeAdapter(PhoneNumber).validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "911",
        "+123456",
        "+1234567890123456",
        "+1415555012a",
        "+14155550123\n",
        "+٤١٥٥٥٥٠١٢٣",
        '+1"><Dial>',
    ],
)
def test_other_text_is_no_phone_number(text: str) -> None:
    """Neither a short code, nor digits of another script, nor markup."""
    with pytest.raises(ValidationError, match="country code"):
        TypeAdapter(PhoneNumber).validate_python(text)


@pytest.mark.parametrize(
    ("name", "fits"), [("a.wav", True), ("a.ULAW", True), ("a.mp3", False), ("wav", False)]
)
def test_sound_file_is_known_by_its_ending(name: str, fits: bool) -> None:
    """Only what the service can play; whether the file is there is asked later."""
    adapter = TypeAdapter(SoundFile)
    if fits:
        assert adapter.validate_python(name) == Path(name)
    else:
        with pytest.raises(ValidationError, match=r"\.wav or \.ulaw"):
            adapter.validate_python(name)


@pytest.mark.parametrize("amount", [0.0, -1.0, float("inf"), float("nan")])
def test_cap_on_spending_is_a_sum_of_money(amount: float) -> None:
    """No cap is told by leaving it out, not by a number that never comes."""
    with pytest.raises(ValidationError):
        TypeAdapter(Dollars).validate_python(amount)
