"""Names of settings: which are ours, and what others were meant to be; and single values, in one form."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from callbridge.server.config.setting_names import nearest_name, unknown_names
from callbridge.server.config.setting_values import PhoneNumber, SoundFile, SpendCap, is_loopback

KNOWN = (
    "PORT",
    "OPENAI_API_KEY",
    *(f"CALLBRIDGE_{name}" for name in ("AGENT", "CALLS_MAX", "VALIDATE_SIGNATURES")),
)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CALLBRIDGE_AGNET", "CALLBRIDGE_AGENT"),
        ("CALLBRIDGE_CALL_MAX", "CALLBRIDGE_CALLS_MAX"),
        ("CALLBRIDGE_PORT", "PORT"),
        ("CALLBRIDGE_OPENAI_API_KEY", "OPENAI_API_KEY"),
        ("CALLBRIDGE_TWILIO_VALIDATE_SIGNATURES", "CALLBRIDGE_VALIDATE_SIGNATURES"),
        ("CALLBRIDGE_COLOUR", None),
    ],
)
def test_unknown_name_is_found_and_the_nearest_is_told(name: str, meant: str | None) -> None:
    """A slip of the pen leads to the right name, also to one without our prefix; anything else to none. Who
    takes a variable of the image back with an empty one must hit its name, too.
    """
    for value in ("1", ""):
        assert list(unknown_names({name: value, "CALLBRIDGE_AGENT": "a:b"}, KNOWN)) == [name]
    assert nearest_name(name, KNOWN) == meant


@pytest.mark.parametrize("service", ["CALLBRIDGE", "CALLBRIDGE_VOICE"])
def test_what_kubernetes_tells_of_a_service_is_no_setting(service: str) -> None:
    """A Service called callbridge must not keep the pods behind it from starting again."""
    links = "SERVICE_HOST SERVICE_PORT SERVICE_PORT_HTTP PORT PORT_80_TCP PORT_80_TCP_PROTO PORT_80_TCP_PORT"
    told = {f"{service}_{link}": "80" for link in [*links.split(), "PORT_80_TCP_ADDR"]}
    told |= {f"{service}_PORT": "tcp://10.0.0.11:80", f"{service}_PORT_80_TCP": "tcp://10.0.0.11:80"}
    assert list(unknown_names(told, KNOWN)) == []


@pytest.mark.parametrize("name", ["LANGUAGE", "HOST", "AGENT", "CALLBRIDGE", "MY_CALLBRIDGE_AGENT"])
def test_names_of_other_programs_are_their_own_affair(name: str) -> None:
    """Nothing is said of what does not begin like ours."""
    assert list(unknown_names({name: "x"}, KNOWN)) == []


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


NO_NUMBERS = ("", "+", "911", "+123456", "+1234567890123456", "+1415555012a", "+14155550123\n", "+٤١٥٥٥٥٠١٢٣")


@pytest.mark.parametrize("text", [*NO_NUMBERS, '+1"><Dial>'])
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
    """No cap is told in words, not by a number that never comes."""
    adapter = TypeAdapter(SpendCap)
    assert adapter.validate_python("off") is None
    with pytest.raises(ValidationError, match="or off for no cap"):
        adapter.validate_python(amount)
