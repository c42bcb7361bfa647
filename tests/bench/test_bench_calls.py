"""How calls are announced, and what the generator is told of them."""

from __future__ import annotations

import pytest
from bench.calls import ACCOUNT_SID, AUTH_TOKEN, CallLine, form, stream_token
from bench.errors import BenchError

from callbridge.telephony import connect, ladder, twiml
from callbridge.telephony.signatures import SignatureCheck, sign


def answer(token: str) -> str:
    return connect.answer(
        stream_url="wss://a.example/media-stream",
        action_url="https://a.example/twilio/stream-ended",
        stream_status_url="https://a.example/twilio/stream-status",
        token=token,
        caller="+15550100001",
        called="+15550100002",
        fallback=ladder.FallbackPlan(twiml.Words("Sorry & goodbye.")),
    )


NO_TOKEN = "has no stream token: <"


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (ladder.first_step(ladder.FallbackPlan(twiml.Words("Sorry."))), NO_TOKEN),
        (twiml.hang_up(), NO_TOKEN),
        (answer(""), NO_TOKEN),
        ("Internal Server Error", "did not answer with TwiML"),
    ],
)
def test_an_answer_without_a_token_is_an_error_that_shows_it(document: str, complaint: str) -> None:
    assert stream_token(answer("a-token_&<1>")) == "a-token_&<1>"
    with pytest.raises(BenchError, match=complaint):
        stream_token(document)


def test_a_line_names_call_stream_and_token() -> None:
    call, stream, token = CallLine(255, "t0ken").encode().decode().split()
    assert (call, stream, token) == ("CA" + "0" * 30 + "ff", "MZ" + "0" * 30 + "ff", "t0ken")
    assert len({CallLine(number, "-").encode() for number in range(2000)}) == 2000


def test_the_form_is_what_twilio_would_sign() -> None:
    url = "http://127.0.0.1:1234/twilio/voice"
    fields = form(7)
    check = SignatureCheck((AUTH_TOKEN,), "http://127.0.0.1:1234")
    signature = sign(AUTH_TOKEN, url, fields.items())
    assert check.accepts_post("/twilio/voice", "", fields.items(), signature)
    assert (fields["AccountSid"], fields["CallSid"]) == (ACCOUNT_SID, CallLine(7, "-").call_sid)
