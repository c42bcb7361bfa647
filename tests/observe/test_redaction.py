"""Redaction: no planted number survives, and what one searches by does."""

from __future__ import annotations

import datetime as dt
import enum
import re
import uuid
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.observe.redaction import redaction
from callbridge.observe.redaction_patterns import MASK

subject = redaction()

e164 = st.from_regex(r"\+[1-9][0-9]{8,14}", fullmatch=True)
# Arbitrary text, and text that looks like what is to be kept.
surroundings = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=30),
    st.from_regex(r"[0-9+.:@T()*%CAsk /-]{0,12}", fullmatch=True),
    st.sampled_from(["CA" + "0" * 32, "2026-11-20T12:00:00", "12:00:00.5", "sip:", "sk-", "1.2.3.4"]),
)


@st.composite
def written_numbers(draw: st.DrawFn) -> str:
    """A number as people write it: `+44 7700 900123`, `+1 (415) 555-1212`."""
    digits = draw(st.from_regex(r"[1-9][0-9]{8,14}", fullmatch=True))
    groups, rest = [], digits
    while rest:
        size = draw(st.integers(2, 5))
        groups.append(rest[:size])
        rest = rest[size:]
    written = groups[0]
    for group in groups[1:]:
        written += draw(st.sampled_from([" ", "-", ".", " (0) ", "\u00a0", " - ", ") ", "/"])) + group
    return "+" + written


def survives(number: str, text: str) -> bool:
    """Whether three digits in a row of the number are left, beyond the two that are kept."""
    digits = re.sub(r"\D", "", number)
    return any(digits[i : i + 3] in text for i in range(len(digits) - 2))


@given(number=e164, before=surroundings, after=surroundings)
def test_planted_number_is_gone_whatever_surrounds_it(number: str, before: str, after: str) -> None:
    """Among plain words nothing is left but its last two digits."""
    assert subject.text(f"call from {number} failed") == f"call from +{MASK}{number[-2:]} failed"
    assert number not in subject.text(before + number + after)
    assert number[1:] not in subject.text(before + number + after)


@given(number=written_numbers())
def test_written_number_is_gone(number: str) -> None:
    assert not survives(number, subject.text(f"please call {number} back"))


@given(numbers=st.lists(e164, max_size=4), depth=st.integers(0, 3))
def test_nested_values_are_redacted(numbers: list[str], depth: int) -> None:
    value: object = {number: [number, (number, {"to": number})] for number in numbers}
    for _ in range(depth):
        value = [{"inner": value}]
    text = repr(subject.value(value))
    assert not any(number[1:] in text for number in numbers)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from +447700900123", f"from +{MASK}23"),
        ("from +44 7700 900123.", f"from +{MASK}23."),
        ("+1 (415) 555-1212, then", f"+{MASK}12, then"),
        ("+447700900123 480 ms", f"+{MASK}23 480 ms"),
        ("From=%2B447700900123&To=1", f"From=%2B{MASK}23&To=1"),
        ("my number is 415-555-1212", f"my number is {MASK}12"),
        ("call 020 7946 0018", f"call {MASK}18"),
        ("call (415) 555 1212", f"call {MASK}12"),
        ("digits 4155551212", f"digits {MASK}12"),
        ("anonymous +266696687", f"anonymous +{MASK}87"),
        ("sip:anna@example.com:5060 hung up", f"sip:{MASK}@example.com:5060 hung up"),
        ("SIPS:+4477@x.example", f"SIPS:{MASK}@x.example"),
        ("'client:anna.lee'", f"'client:{MASK}'"),
        ("key sk-proj-abcDEF123456", f"key sk-{MASK}"),
        ("Authorization: Bearer abc.def-123456", f"Authorization: Bearer {MASK}"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", f"Authorization: Basic {MASK}"),
        ("to anna.lee@example.com, now", f"to {MASK}, now"),
        ("postgresql://calls:s3cret-pw@db.example.com/x", f"postgresql://{MASK}@db.example.com/x"),
        ("https://db.example.com:5432/x", "https://db.example.com:5432/x"),
        ("card 4111 1111 1111 1111, thanks", f"card {MASK}, thanks"),
        ("card:4242424242424242", f"card:{MASK}"),
        ("order 4111111111111112", f"order {MASK}12"),  # No card: a telephone, perhaps.
        ("whsec_C2FVsBQIhrscChlQIMV", MASK),
        ("a.opus?X-Amz-Signature=abc&X-Amz-Date=1", f"a.opus?X-Amz-Signature={MASK}&X-Amz-Date=1"),
        ("eyJhbGciOi.eyJzdWIiOiIx.abc-_def", MASK),
        ("token " + "aB3-" * 20, f"token {MASK}"),
        ("[SQL: INSERT] [parameters: {'body': 'my pin'}]", f"[SQL: INSERT] [parameters: {MASK}"),
        ("bad [type=int, input_value='my pin', input_type=str]", f"bad [type=int, input_value={MASK}"),
        ("DETAIL:  Key (words)=(my pin) already exists.", f"DETAIL:  {MASK}"),
    ],
)
def test_known_forms(text: str, expected: str) -> None:
    assert subject.text(text) == expected


HARMLESS = (
    *(
        "CA00112233445566778899001122334455",
        "stream MZ12345678901234567890123456789012 ended",
        "client: gone",
    ),
    *("2026-11-20T12:34:56.123456Z", "2026-11-20T12:34:56.123456789Z", "2026-11-20 12:34:56+01:00"),
    *("2026-11-20T12:34:56+0130", "2026-11-20", "192.168.100.200:54321", "item_C1234567890123"),
    *("resp_9876543210123", "took 0.123456789012 s", "p50 420 ms, max 1380 ms", "task-oriented-approach"),
    *(
        "gpt-4o-mini-transcribe-2025-12-15",
        "",
        "0123456789abcdef" * 4,
        "max_tokens=5",
        "max_output_tokens=inf",
    ),
    *("python@3", "tokens=7", "https://calls.example.com/a@b"),
)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_number_is_left_alone(text: str) -> None:
    """SIDs, timestamps, addresses of machines, item ids and measurements stay as they are."""
    assert subject.text(text) == text


@given(sid=st.from_regex(r"(CA|MZ|AC|SM)[0-9a-f]{32}", fullmatch=True), number=e164)
def test_sids_stay_searchable(sid: str, number: str) -> None:
    """A SID comes through even if it is all digits, and even beside a number."""
    assert subject.text(f"{sid} from {number}").startswith(f"{sid} from +{MASK}")


@given(
    # The strategy adds the zone.
    moment=st.datetimes(min_value=dt.datetime(2000, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001
    identity=st.uuids(),
)
def test_timestamps_and_uuids_stay_readable(moment: dt.datetime, identity: uuid.UUID) -> None:
    for text in (f"at {moment.isoformat()}, then", f"id {identity} ok"):
        assert subject.text(text) == text


NUMBERS = {
    "+447700900123": f"+{MASK}23",
    "020 7946 0018": f"{MASK}18",
    "911": MASK,
    "+2562533": f"+{MASK}33",
    "55512": MASK,
    "anonymous": MASK,
    "Anna Lee": MASK,
    "sip:anna.lee@pbx.example.com;user=phone": f"sip:{MASK}@pbx.example.com",
    "client:anna": f"client:{MASK}",
    "sip:55512": f"sip:{MASK}",
    "": "",
}
FIELDS = ("From", "To", "ForwardedFrom", "CalledVia", "caller", "called", "caller_id", "from", "CallerName")


@pytest.mark.parametrize("field", FIELDS)
def test_what_stands_in_the_field_of_a_telephone_is_masked_whatever_it_looks_like(field: str) -> None:
    for number, masked in NUMBERS.items():
        told = subject.value({field: number, "nested": [{field: [number]}]})
        assert told == {field: masked, "nested": [{field: [masked]}]}
        assert subject.value(told) == told, "masked already"
    assert subject.value({field: 447700900123}) == {field: f"{MASK}23"}
    assert subject.value({field: None, "status": "busy"}) == {field: None, "status": "busy"}


@given(
    before=st.text(st.characters(codec="ascii"), min_size=400, max_size=520),
    number=written_numbers() | e164,
    secrets=st.lists(st.sampled_from(["secret-one", "another-secret-of-ours" * 3]), max_size=8),
    after=st.integers(0, 900),
)
def test_nothing_is_left_of_what_the_cut_goes_through(
    before: str, number: str, secrets: list[str], after: int
) -> None:
    """A number whose second half was cut off is no number for the pattern, but for a reader half of one."""
    before = re.sub(r"\d", "n", before)
    text = "".join(secrets) + before + " " + number + "x" * after
    shown = redaction(secrets).text(text)
    assert not survives(number, re.sub(r"… \(of \d+ characters\)$", "", shown))
    assert not any(secret[:6] in shown for secret in secrets)


class Colour(enum.Enum):
    RED = "+447700900123"


@dataclass
class Caller:
    number: str


def test_other_objects_become_their_redacted_repr() -> None:
    assert subject.value(Caller("+447700900123")) == f"Caller(number='+{MASK}23')"
    assert subject.value(Colour.RED) == f"<Colour.RED: '+{MASK}23'>"
    assert subject.value(b"+447700900123") == f"b'+{MASK}23'"
    assert subject.value(ValueError("bad +447700900123")) == f"ValueError('bad +{MASK}23')"


@pytest.mark.parametrize("value", [None, True, 3, 12345678901, 1.5])
def test_numbers_that_are_measurements_stay(value: object) -> None:
    assert subject.value({"x": value}) == {"x": value}


def test_values_under_secret_names_are_masked() -> None:
    """What is called a token is masked whatever it looks like; a count of tokens is not."""
    harmless = {"tokens": 7, "token_count": "9"}
    secret = ("token", "Authorization", "X-Twilio-Signature", "webhook-signature", "api_key", "Set-Cookie")
    told = subject.value(dict.fromkeys(secret, "x y") | harmless)
    assert told == dict.fromkeys(secret, MASK) | harmless


def test_of_words_the_length_is_shown_unless_they_may_be() -> None:
    said = {"transcript": "My pin is 1.", "arguments": "{}", "caller_said": "", "turn": 3}
    assert subject.value(said) == said
    assert redaction(with_words=False).value(said) == {
        "transcript": "(12 characters)",
        "arguments": "(2 characters)",
        "caller_said": "",
        "turn": 3,
    }


@given(digits=st.from_regex(r"(4|51|34|62)[0-9]{11,16}", fullmatch=True), gap=st.sampled_from(["", " "]))
def test_a_card_is_known_by_its_check_digit(digits: str, gap: str) -> None:
    """Luhn, from the right: every second digit doubled, and the sum of all digits divided by ten."""
    total = sum(
        sum(map(int, str(int(digit) * (1 + place % 2)))) for place, digit in enumerate(reversed(digits))
    )
    written = gap.join(digits[i : i + 4] for i in range(0, len(digits), 4))
    text = f"it is {written}, please"
    is_card = total % 10 == 0 and 13 <= len(digits) <= 19
    assert subject.without_cards(text) == (f"it is {MASK}, please" if is_card else text)


def test_known_secrets_are_blanked_out_anywhere() -> None:
    """A configured secret is masked by its value, the longer one first; a short one is no secret."""
    knowing = redaction(["secret-one", "secret-one-longer", "ok", ""])
    assert knowing.text("a secret-one-longer b secret-one c ok") == f"a {MASK} b {MASK} c ok"
    assert "secret-one" not in repr(knowing)
