"""With what Twilio's REST API is asked: what is read, what is refused, and what the check says of it."""

from __future__ import annotations

import pytest

from callbridge.server.config.check_rest import rest
from callbridge.server.config.findings import Level
from callbridge.server.config.setting_problems import SettingsError
from desks import ACCOUNT, AUTH_TOKEN, made_settings

KEY = "SK" + "1" * 32
WITH_KEY = {"TWILIO_API_KEY_SID": KEY, "TWILIO_API_KEY_SECRET": "canary-of-a-key"}


def refusal(**changes: str) -> str:
    with pytest.raises(SettingsError) as caught:
        made_settings(changes)
    return str(caught.value)


def test_the_auth_token_asks_where_there_is_no_key() -> None:
    credentials = made_settings().rest_credentials
    assert (credentials.account_sid, credentials.key_sid) == (ACCOUNT, "")
    assert credentials.secret.get_secret_value() == AUTH_TOKEN
    assert credentials.way_in == (None, None)


def test_a_key_asks_in_its_place() -> None:
    """For the same account, and nothing of it is shown."""
    settings = made_settings(WITH_KEY)
    credentials = settings.rest_credentials
    assert (credentials.account_sid, credentials.key_sid) == (ACCOUNT, KEY)
    assert credentials.secret.get_secret_value() == "canary-of-a-key"
    assert "canary" not in f"{settings} {credentials!r}"
    assert "canary-of-a-key" in settings.secrets


@pytest.mark.parametrize(
    ("given", "way_in"),
    [
        ({"TWILIO_REGION": "ie1"}, ("ie1", "dublin")),
        ({"TWILIO_REGION": "us1"}, ("us1", "ashburn")),
        ({"TWILIO_REGION": "au1", "TWILIO_EDGE": "singapore"}, ("au1", "singapore")),
        ({"TWILIO_EDGE": "dublin"}, ("us1", "dublin")),
        ({"TWILIO_REGION": "ie1", "CALLBRIDGE_TWILIO_API_URL": "http://127.0.0.1:9100"}, (None, None)),
    ],
)
def test_no_region_stands_without_its_edge(
    given: dict[str, str], way_in: tuple[str | None, str | None]
) -> None:
    """A host with a region alone is switched off."""
    assert made_settings(given).rest_credentials.way_in == way_in


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"TWILIO_API_KEY_SID": KEY},
            "TWILIO_API_KEY_SECRET is not set, but TWILIO_API_KEY_SID is. Set both,",
        ),
        ({"TWILIO_API_KEY_SECRET": "x"}, "TWILIO_API_KEY_SID is not set, but TWILIO_API_KEY_SECRET is."),
        (WITH_KEY | {"TWILIO_API_KEY_SID": ACCOUNT}, "TWILIO_API_KEY_SID must be SK followed by 32"),
        (WITH_KEY | {"TWILIO_API_KEY_SECRET": KEY}, "TWILIO_API_KEY_SECRET has a SID (SK…) in it"),
        (WITH_KEY | {"TWILIO_API_KEY_SECRET": "a b"}, "TWILIO_API_KEY_SECRET has a space"),
        ({"TWILIO_REGION": "dublin"}, "TWILIO_REGION has the name of an edge. Set it to the region, ie1."),
        ({"TWILIO_REGION": "eu1"}, "TWILIO_REGION must be a region of Twilio's: us1, ie1, au1"),
        ({"TWILIO_EDGE": "dub.lin"}, "TWILIO_EDGE must be an edge of Twilio's, such as ashburn, dublin"),
        (
            {"CALLBRIDGE_TWILIO_API_URL": "http://10.0.0.1:80"},
            "CALLBRIDGE_TWILIO_API_URL must be on this machine",
        ),
        ({"CALLBRIDGE_TWILIO_API_URL": "https://x.example"}, "must be on this machine"),
        ({"CALLBRIDGE_TWILIO_API_URL": "http://[::1"}, "must be an address such as"),
        ({"CALLBRIDGE_TWILIO_REST": "perhaps"}, "CALLBRIDGE_TWILIO_REST must be true or false"),
    ],
)
def test_what_cannot_work_is_refused_in_words(given: dict[str, str], words: str) -> None:
    assert words in refusal(**given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "is asked with the auth token"),
        (WITH_KEY | {"TWILIO_REGION": "ie1"}, f"is asked with API key {KEY}, in region ie1 by dublin"),
        (
            {"CALLBRIDGE_TWILIO_API_URL": "http://localhost:9100/"},
            "at http://localhost:9100: a simulated account",
        ),
        ({"CALLBRIDGE_TWILIO_REST": "false"}, "is not used"),
    ],
)
def test_the_check_says_with_what_and_where(given: dict[str, str], words: str) -> None:
    finding = rest(made_settings(given))
    assert finding.level is Level.OK
    assert finding.what.endswith(words) or words in finding.what
