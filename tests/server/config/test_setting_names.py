"""Names of settings: which are ours, and what a name that is none was meant to be."""

from __future__ import annotations

import pytest

from callbridge.server.config.setting_names import nearest_name, unknown_names, variable

KNOWN = (
    "PORT",
    "OPENAI_API_KEY",
    "CALLBRIDGE_AGENT",
    "CALLBRIDGE_CALLS_MAX",
    "CALLBRIDGE_VALIDATE_SIGNATURES",
)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("openai_api_key", "OPENAI_API_KEY"),
        ("twilio_account_sid", "TWILIO_ACCOUNT_SID"),
        ("twilio_auth_token", "TWILIO_AUTH_TOKEN"),
        ("public_base_url", "PUBLIC_BASE_URL"),
        ("port", "PORT"),
        ("host", "CALLBRIDGE_HOST"),
        ("validate_signatures", "CALLBRIDGE_VALIDATE_SIGNATURES"),
    ],
)
def test_only_names_that_others_gave_have_no_prefix(field: str, name: str) -> None:
    """Vendors and hosts set five of them; everything else is told apart from what other programs need."""
    assert variable(field) == name


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
    """A slip of the pen leads to the right name, also to one without our prefix; anything else to none."""
    assert list(unknown_names({name: "1", "CALLBRIDGE_AGENT": "a:b"}, KNOWN)) == [name]
    assert nearest_name(name, KNOWN) == meant


def test_empty_value_excuses_no_unknown_name() -> None:
    """Who takes a variable of the image back with an empty one must hit its name."""
    assert list(unknown_names({"CALLBRIDGE_AGNET": ""}, KNOWN)) == ["CALLBRIDGE_AGNET"]


@pytest.mark.parametrize("service", ["CALLBRIDGE", "CALLBRIDGE_VOICE"])
def test_what_kubernetes_tells_of_a_service_is_no_setting(service: str) -> None:
    """A Service called callbridge must not keep the pods behind it from starting again."""
    links = {
        f"{service}_SERVICE_HOST": "10.0.0.11",
        f"{service}_SERVICE_PORT": "80",
        f"{service}_SERVICE_PORT_HTTP": "80",
        f"{service}_PORT": "tcp://10.0.0.11:80",
        f"{service}_PORT_80_TCP": "tcp://10.0.0.11:80",
        f"{service}_PORT_80_TCP_PROTO": "tcp",
        f"{service}_PORT_80_TCP_PORT": "80",
        f"{service}_PORT_80_TCP_ADDR": "10.0.0.11",
    }
    assert list(unknown_names(links, KNOWN)) == []


@pytest.mark.parametrize("name", ["LANGUAGE", "HOST", "AGENT", "CALLBRIDGE", "MY_CALLBRIDGE_AGENT"])
def test_names_of_other_programs_are_their_own_affair(name: str) -> None:
    """Nothing is said of what does not begin like ours."""
    assert list(unknown_names({name: "x"}, KNOWN)) == []
