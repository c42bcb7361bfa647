"""A call from the page: Twilio's part of it, with webhooks that answer what a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from callbridge.cli.development.talk_call import TalkCall
from callbridge.console.talk import Choose, Hear, OpenStream, Over, Press, Wait
from callbridge.simulators.phone.twiml import WebAnswer, WebFailure
from callbridge.simulators.phone.webhooks import Line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.cli.development.asking import Asking

VOICE = "https://calls.example.com/twilio/voice"
ENDED = "https://calls.example.com/twilio/call-status"
CONNECT = (
    '<Connect action="/after?stream=1"><Stream url="wss://calls.example.com/media" '
    'statusCallback="https://calls.example.com/stream"><Parameter name="token" value="t"/></Stream></Connect>'
)


class Webhooks:
    """Answers each request with the next document, and notes it."""

    def __init__(self, *documents: str) -> None:
        self.documents = list(documents)
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def ask(self, url: str, _method: str, parameters: Mapping[str, str]) -> WebAnswer | WebFailure:
        self.asked.append((url, dict(parameters)))
        if url == ENDED or url.endswith("/stream"):
            return WebAnswer(url, 204, "", b"")
        if not self.documents:
            return WebFailure(url, 11200, "nobody there")
        return WebAnswer(url, 200, "text/xml", f"<Response>{self.documents.pop(0)}</Response>".encode())

    def statuses(self) -> list[str]:
        return [told.get("CallStatus", told.get("StreamEvent", "")) for _, told in self.asked]


def call(*documents: str) -> tuple[TalkCall, Webhooks]:
    async def voiced(text: str) -> bytes:
        return text.encode()

    webhooks = Webhooks(*documents)
    line = Line("AC" + "1" * 32, "token", "CA" + "2" * 32, "+15550100001", "+15550100002")
    return TalkCall(line, VOICE, ENDED, cast("Asking", webhooks), voiced), webhooks


async def test_the_webhook_is_asked_and_its_stream_handed_to_the_page() -> None:
    ringing, webhooks = call(CONNECT, "<Hangup/>")
    turn = await ringing.begin()
    assert isinstance(turn, OpenStream)
    assert (turn.parameters, turn.token) == ({"token": "t"}, ringing.token)
    assert len(turn.token) >= 32
    await ringing.stream_told()("stream-started")
    over = await ringing.done("")
    assert isinstance(over, Over)
    assert over.status == "completed"
    urls = [url for url, _ in webhooks.asked]
    assert urls == [
        VOICE,
        "https://calls.example.com/stream",
        "https://calls.example.com/after?stream=1",
        ENDED,
    ]
    assert webhooks.statuses() == ["ringing", "stream-started", "in-progress", "completed"]
    assert webhooks.asked[0][1]["CallToken"], "the first request has one, and no other"
    assert "CallToken" not in webhooks.asked[2][1]


async def test_a_stream_may_be_followed_by_another_one_with_another_token() -> None:
    ringing, _ = call(CONNECT, CONNECT, "<Hangup/>")
    first, second = await ringing.begin(), await ringing.done("")
    assert isinstance(first, OpenStream)
    assert isinstance(second, OpenStream)
    assert (first.token, first.stream_sid) != (second.token, second.stream_sid)
    assert first.call_sid == second.call_sid


async def test_who_hangs_up_in_a_stream_is_told_to_its_action_whose_answer_leads_nowhere() -> None:
    ringing, webhooks = call(CONNECT, "<Say>Hello?</Say>")
    await ringing.begin()
    over = await ringing.hang_up()
    assert isinstance(over, Over)
    assert (over.status, ringing.is_over, ringing.token) == ("completed", True, "")
    assert webhooks.statuses() == ["ringing", "completed", "completed"]
    assert isinstance(await ringing.hang_up(), Over)
    assert len(webhooks.asked) == 3, "it is over once"


async def test_what_twilio_says_is_spoken_and_what_it_waits_is_waited() -> None:
    ringing, _ = call("<Say>We are closed.</Say><Pause length='2'/><Record/>", "<Hangup/>")
    said, waited, recorded = await ringing.begin(), await ringing.done(""), await ringing.done("")
    assert isinstance(said, Hear)
    assert (said.text, said.audio) == ("We are closed.", b"We are closed.")
    assert isinstance(waited, Wait)
    assert waited.seconds == 2
    assert isinstance(recorded, Hear)
    assert (recorded.text, recorded.audio) == ("<Record>: not to be heard in a browser", b"")
    assert isinstance(await ringing.done(""), Over)


async def test_whom_a_browser_cannot_ring_the_developer_answers_for() -> None:
    dial = '<Dial action="/dialled"><Number>+14155550100</Number></Dial>'
    for chosen, told in (("completed", "completed"), ("busy", "busy"), ("made up", "no-answer")):
        ringing, webhooks = call(dial, "<Hangup/>")
        turn = await ringing.begin()
        assert isinstance(turn, Choose)
        assert "+14155550100" in turn.text
        assert isinstance(await ringing.done(chosen), Over)
        action = webhooks.asked[1][1]
        assert action["DialCallStatus"] == told
        assert action["DialBridged"] == str(told == "completed").lower()


async def test_keys_are_asked_for_when_they_are_to_be_entered() -> None:
    menu = "<Gather numDigits='2' timeout='3' action='/chosen'><Say>Press a key.</Say></Gather><Hangup/>"
    for pressed, told in (("12", "12"), ("7", "7"), ("", None)):
        ringing, webhooks = call(menu, "<Hangup/>")
        said, asked = await ringing.begin(), await ringing.done("")
        assert isinstance(said, Hear)
        assert isinstance(asked, Press)
        assert (asked.seconds, asked.keys_max, asked.finish_keys) == (3, 2, "#")
        over = await ringing.done(pressed)
        assert isinstance(over, Over)
        assert f"<Gather> {pressed or 'nothing entered'}" in over.notes
        digits = [told["Digits"] for url, told in webhooks.asked if url.endswith("/chosen")]
        assert digits == ([] if told is None else [told])


async def test_a_webhook_that_fails_is_told_by_twilios_code() -> None:
    ringing, _ = call()
    over = await ringing.begin()
    assert isinstance(over, Over)
    assert any(note.startswith("Twilio warns 11200") for note in over.notes)


async def test_a_call_that_is_rejected_is_busy() -> None:
    over = await call("<Reject reason='busy'/>")[0].begin()
    assert isinstance(over, Over)
    assert over.status == "busy"
