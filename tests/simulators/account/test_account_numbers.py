"""Numbers of the simulated account: to list, set, buy and give back."""

from __future__ import annotations

import pytest
from accounts import OURS, Desk

from callbridge.simulators.account import AccountSettings

URL = "https://bridge.example.com/twilio/voice"
APPLICATION, TRUNK = "AP" + "1" * 32, "TK" + "2" * 32


def path_of(desk: Desk) -> str:
    return f"/IncomingPhoneNumbers/{desk.account.numbers[0].sid}.json"


def test_a_number_is_found_by_a_part_of_it() -> None:
    desk = Desk(AccountSettings(numbers=(OURS, "+442079460999")))
    for wanted, found in ((OURS, 1), ("415", 1), ("+4420*946", 1), ("999", 1), ("+33", 0), ("", 2)):
        page = desk.ask("GET", "/IncomingPhoneNumbers.json", {"PhoneNumber": wanted})
        assert len(page["incoming_phone_numbers"]) == found, wanted


def test_a_number_is_set_and_keeps_the_rest() -> None:
    desk = Desk()
    assert desk.ask("GET", path_of(desk))["voice_url"].startswith("https://demo.twilio.com")
    asked = {"VoiceUrl": URL, "VoiceMethod": "GET", "VoiceFallbackUrl": f"{URL}-fallback"}
    desk.ask("POST", path_of(desk), asked)
    found = desk.ask("POST", path_of(desk), {"StatusCallback": f"{URL}-status", "FriendlyName": "Desk"})
    assert (found["voice_url"], found["voice_method"]) == (URL, "GET")
    assert found["voice_fallback_url"] == f"{URL}-fallback"
    assert (found["status_callback"], found["friendly_name"]) == (f"{URL}-status", "Desk")
    assert desk.complained == []


def test_an_application_and_a_trunk_delete_each_other() -> None:
    desk = Desk()
    found = desk.ask("POST", path_of(desk), {"VoiceApplicationSid": APPLICATION, "VoiceUrl": URL})
    assert (found["voice_application_sid"], found["trunk_sid"]) == (APPLICATION, None)
    found = desk.ask("POST", path_of(desk), {"TrunkSid": TRUNK})
    assert (found["voice_application_sid"], found["trunk_sid"]) == ("", TRUNK)
    found = desk.ask("POST", path_of(desk), {"VoiceApplicationSid": APPLICATION})
    assert (found["voice_application_sid"], found["trunk_sid"]) == (APPLICATION, None)
    assert found["voice_url"] == URL, "it stays, and counts for nothing"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"VoiceUrl": "bridge.example.com"}, 21402),
        ({"VoiceUrl": URL, "VoiceMethod": "PATCH"}, 21403),
        ({"VoiceUrl": "", "VoiceFallbackUrl": URL}, 21405),
        ({"VoiceApplicationSid": "MG" + "1" * 32}, 21420),
    ],
)
def test_a_wrong_setting_changes_nothing(values: dict[str, str], code: int) -> None:
    desk = Desk()
    before = desk.ask("GET", path_of(desk))
    assert desk.code("POST", path_of(desk), {"FriendlyName": "new", **values}) == (400, code)
    assert desk.ask("GET", path_of(desk)) == before


def test_a_number_is_looked_for_bought_and_given_back() -> None:
    desk = Desk(AccountSettings())
    found = desk.ask("GET", "/AvailablePhoneNumbers/US/Local.json", {"AreaCode": "415", "SmsEnabled": "true"})
    offers = found["available_phone_numbers"]
    assert {offer["locality"] for offer in offers} == {"San Francisco"}
    number = offers[0]["phone_number"]
    bought = desk.ask("POST", "/IncomingPhoneNumbers.json", {"PhoneNumber": number, "VoiceUrl": URL})
    assert (bought["phone_number"], bought["voice_url"]) == (number, URL)
    assert desk.code("POST", "/IncomingPhoneNumbers.json", {"PhoneNumber": number}) == (400, 21422)
    again = desk.ask("GET", "/AvailablePhoneNumbers/US/Local.json", {"Contains": number})
    assert again["available_phone_numbers"] == []
    assert desk.send("DELETE", f"/IncomingPhoneNumbers/{bought['sid']}.json").answer.status == 204
    assert desk.account.numbers == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"PhoneNumber": "sales"}, 21421),
        ({"PhoneNumber": "+14155550999"}, 21422),
        ({}, 21451),
        ({"AreaCode": "99"}, 21451),
        ({"AreaCode": "907"}, 21452),
        ({"PhoneNumber": "+447700900001"}, 21615),
        ({"PhoneNumber": "+447700900001", "AddressSid": "AD" + "1" * 32}, 21649),
        ({"AreaCode": "415", "VoiceUrl": "nowhere"}, 21402),
    ],
)
def test_what_cannot_be_bought_is_told_by_its_code(values: dict[str, str], code: int) -> None:
    desk = Desk(AccountSettings())
    assert desk.code("POST", "/IncomingPhoneNumbers.json", values) == (400, code)
    assert desk.account.numbers == []


def test_a_trial_account_has_one_number() -> None:
    desk = Desk(AccountSettings(type="Trial"))
    desk.ask("POST", "/IncomingPhoneNumbers.json", {"AreaCode": "415"})
    assert desk.code("POST", "/IncomingPhoneNumbers.json", {"AreaCode": "415"}) == (400, 21404)
