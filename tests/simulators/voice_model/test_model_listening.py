"""Turns on the simulated voice model: by detection, by hand, interrupted, transcribed, timed out."""

from __future__ import annotations

import base64
from typing import Any

import pytest

import model_driver as md
from callbridge.simulators.voice_model import Answer, Failure, Fault, Say, Script

STARTED = "input_audio_buffer.speech_started"
COMMITTED = md.ladder("input_audio_buffer.committed conversation.item.added conversation.item.done")
TURN = ["input_audio_buffer.speech_stopped", *COMMITTED]

UTTERANCE = md.quiet(416) + md.loud(608) + md.quiet(544)
"""Heard from 116 ms on, over at 1536 ms."""

TRANSCRIPTION = "conversation.item.input_audio_transcription"


def listening(script: Script | None = None, **detection: Any) -> md.ModelClient:
    """A telephone client whose events start after the setting-up."""
    client = md.ModelClient(script or md.answers("Good morning.", "Good evening.", "Good night."))
    client.detect(**detection)
    client.events.clear()
    client.times.clear()
    return client


def transcribing(model: str, *said: Answer) -> md.ModelClient:
    """A telephone client with input transcription."""
    client = md.ModelClient(Script(answers=said))
    session = md.telephone()
    session["audio"]["input"]["transcription"] = {"model": model}
    assert client.send("session.update", session=session)[0]["type"] == "session.updated"
    client.events.clear()
    client.times.clear()
    return client


def test_a_voice_turn_has_its_order() -> None:
    client = listening()
    events = client.say(UTTERANCE)
    assert md.kinds(events) == [STARTED, *TURN, *md.CREATED]
    started, stopped, committed, added = events[:4]
    assert started["audio_start_ms"] == 116
    assert stopped["audio_end_ms"] == 1536
    item_id = started["item_id"]
    assert [stopped["item_id"], committed["item_id"], added["item"]["id"]] == [item_id] * 3
    assert committed["previous_item_id"] is None
    assert added["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    assert client.session.journal.items[item_id].audio == UTTERANCE[928:12288]
    client.run(5)
    assert md.kinds(client.events)[-2:] == md.DONE


def test_the_next_turn_follows_what_the_client_has_seen() -> None:
    client = listening()
    client.say(UTTERANCE)
    client.run(5)
    client.say(UTTERANCE)
    first, second = client.of("input_audio_buffer.committed")
    (answer,) = client.of("response.output_item.done")
    assert first["previous_item_id"] is None
    assert second["previous_item_id"] == answer["item"]["id"]
    starts = [event["audio_start_ms"] for event in client.of(STARTED)]
    # Counted over appended audio, not over time: nothing was appended for five seconds.
    assert starts == [116, 1568 + 116]


def test_interrupting_closes_the_answer_and_answers_anew() -> None:
    client = listening(md.answers("x" * 200, "Good evening."))
    client.respond(0.5)
    events = client.say(UTTERANCE)
    assert md.kinds(events) == ["(deltas)", STARTED, *md.CLOSING, *md.DONE, *TURN, *md.CREATED]
    (cut,) = client.of("response.done")
    assert cut["response"]["status"] == "cancelled"
    assert cut["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert cut["response"]["output"][0]["status"] == "incomplete"
    record = client.session.journal.responses[0]
    assert (record.status, record.reason) == ("cancelled", "turn_detected")


def test_after_the_answer_is_done_speech_only_starts() -> None:
    """The server has nothing to cancel, though the phone may still be playing."""
    client = listening()
    client.respond(5)
    assert md.kinds(client.say(md.quiet(400) + md.loud(100))) == [STARTED]


def test_interrupting_the_thinking_closes_an_empty_response() -> None:
    client = listening(md.answers("Hm.", "Yes.", after_ms=3000))
    client.say(UTTERANCE)
    events = client.say(md.loud(100))
    assert md.kinds(events) == [STARTED, "response.done"]
    assert client.of("response.done")[0]["response"]["output"] == []


def test_with_interrupt_response_off_the_answer_goes_on() -> None:
    """And the answer to the words that were spoken over it is refused: one is active already."""
    client = listening(md.answers("x" * 400, "Good evening."), interrupt_response=False)
    client.respond(0.5)
    events = client.say(UTTERANCE)
    assert "response.done" not in md.kinds(events)
    assert events[-1]["type"] == "error" or "error" in md.kinds(events)
    (error,) = client.of("error")
    assert error["error"]["code"] == "conversation_already_has_active_response"
    assert error["error"]["event_id"] is None
    client.run(10)
    assert client.of("response.done")[0]["response"]["status"] == "completed"


def test_an_interruption_may_be_noticed_late() -> None:
    """With a lag, deltas go on after `speech_started` until the response is closed."""
    client = listening(md.answers("x" * 400, "Yes.", interrupt_lag_ms=100))
    client.respond(0.5)
    client.append(md.quiet(400) + md.loud(100))
    assert md.kinds(client.events)[-1] == STARTED
    events = client.run(0.2)
    assert md.kinds(events)[:2] == ["(deltas)", "response.output_audio.done"]
    assert client.at("response.done") - client.at(STARTED) == pytest.approx(0.1)


def test_a_turn_that_ends_within_the_lag_closes_the_answer_first() -> None:
    client = listening(md.answers("x" * 400, "Yes.", interrupt_lag_ms=2000), silence_duration_ms=200)
    client.respond(0.5)
    events = client.say(md.quiet(400) + md.loud(100) + md.quiet(260))
    order = [kind for kind in md.kinds(events) if kind in {"response.done", "response.created"}]
    assert order == ["response.done", "response.created"]
    client.run(20)
    assert len(client.of("response.done")) == 2


def test_late_deltas_may_follow_the_cancelled_response() -> None:
    """They were on their way; they belong to no item's audio any more."""
    client = listening(md.answers("x" * 400, "Yes.", late_deltas=3))
    client.respond(0.5)
    events = client.append(md.quiet(400) + md.loud(100))
    after = events[[event["type"] for event in events].index("response.done") + 1 :]
    assert [event["type"] for event in after] == ["response.output_audio.delta"] * 3
    (item,) = (item for item in client.session.journal.items.values() if item.is_spoken)
    late = sum(len(base64.b64decode(event["delta"])) for event in after)
    assert client.audio(item.id) == item.audio[: item.sent_bytes + late]


def manual(script: Script | None = None) -> md.ModelClient:
    """A telephone client without turn detection."""
    client = md.ModelClient(script)
    session = md.telephone()
    session["audio"]["input"]["turn_detection"] = None
    client.send("session.update", session=session)
    client.events.clear()
    return client


def test_a_commit_makes_an_item_and_no_response() -> None:
    client = manual()
    assert client.append(md.loud(500) + md.quiet(2000)) == []
    events = client.send("input_audio_buffer.commit")
    assert md.kinds(events) == COMMITTED
    item = client.session.journal.items[events[0]["item_id"]]
    assert item.audio == md.loud(500) + md.quiet(2000)
    assert client.run(10) == []
    assert md.kinds(client.send("response.create"))[0] == "response.created"


@pytest.mark.parametrize(("audio_ms", "held"), [(0, "0.00"), (99, "99.00"), (50, "50.00")])
def test_less_than_100_ms_cannot_be_committed(audio_ms: int, held: str) -> None:
    client = manual()
    if audio_ms:
        client.append(md.loud(audio_ms))
    code, text, param = md.error_of(client.send("input_audio_buffer.commit"))
    assert (code, param) == ("input_audio_buffer_commit_empty", None)
    assert text == (
        "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, "
        f"but buffer only has {held}ms of audio."
    )


def test_a_clear_empties_the_buffer() -> None:
    client = manual()
    client.append(md.loud(500))
    assert md.kinds(client.send("input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]
    assert md.error_of(client.send("input_audio_buffer.commit"))[0] == ("input_audio_buffer_commit_empty")


@pytest.mark.parametrize("command", ["commit", "clear"])
def test_a_command_in_the_middle_of_detected_speech_ends_that_turn(command: str) -> None:
    """The item has the id that `speech_started` announced, a clear makes none; the detector starts anew."""
    client = listening()
    client.say(md.quiet(400) + md.loud(300))
    (started,) = client.of(STARTED)
    events = client.send(f"input_audio_buffer.{command}")
    assert events[0].get("item_id") == (started["item_id"] if command == "commit" else None)
    assert client.say(md.quiet(1000)) == []


def test_an_update_in_the_middle_of_speech_keeps_the_turn() -> None:
    """Other instructions do not drop what the caller is saying; another threshold does."""
    client = listening()
    client.say(md.quiet(400) + md.loud(300))
    client.configure(instructions="Be brief.")
    assert md.kinds(client.say(md.quiet(540)))[0] == "input_audio_buffer.speech_stopped"
    client.run(5)
    client.say(md.loud(300))
    client.detect(threshold=0.8)
    assert client.say(md.quiet(1000)) == []


@pytest.mark.parametrize(
    ("audio", "text"),
    [
        ("AAA", "but got an invalid value."),
        ("%%%%", "but got an invalid value."),
        ("AA AA", "but got an invalid value."),
        ("", "but got empty bytes."),
    ],
)
def test_what_is_no_base64_is_refused(audio: str, text: str) -> None:
    client = listening()
    code, message, param = md.error_of(client.send("input_audio_buffer.append", audio=audio))
    assert (code, param) == ("invalid_value", "audio")
    assert message == (f"Invalid 'audio'. Expected base64-encoded audio bytes (G.711 mu-law at 8kHz) {text}")


def test_an_append_has_a_size_limit() -> None:
    client = listening()
    code, _, param = md.error_of(client.send("input_audio_buffer.append", audio="A" * (15 * 1024 * 1024 + 1)))
    assert (code, param) == ("string_above_max_length", "audio")


def test_appends_are_counted_and_kept_on_request() -> None:
    """The journal has every byte as it came, so that a bridge's pass-through can be checked."""
    client = md.ModelClient.configured(keep_audio=True)
    client.append(b"\x01\x02\x03")
    client.append(md.quiet(20))
    journal = client.session.journal
    assert bytes(journal.appended or b"") == b"\x01\x02\x03" + md.quiet(20)
    assert (journal.appends, journal.appended_bytes) == (2, 163)
    assert [passed.bytes_in_all for passed in journal.append_times] == [3, 163]
    assert "input_audio_buffer.append" not in {event.type for event in journal.received}
    assert md.ModelClient().session.journal.appended is None


def test_a_client_of_pcm_is_heard_too() -> None:
    client = md.ModelClient()
    square = (b"\x00\x40" * 12 + b"\x00\xc0" * 12) * 600
    client.append(bytes(48 * 416) + square)
    (started,) = client.of(STARTED)
    assert started["audio_start_ms"] == 116


def test_transcripts_are_off_by_default() -> None:
    """No transcription events without `audio.input.transcription`; the journal knows anyway."""
    client = listening(md.scripted(Answer(say=("Hi.",), caller="Hello there")))
    client.say(UTTERANCE)
    client.run(5)
    assert not [event for event in client.events if "transcription" in event["type"]]
    (item,) = (item for item in client.session.journal.items.values() if item.role == "user")
    assert item.transcript == "Hello there"


@pytest.mark.parametrize(
    ("when", "before", "after"),
    [
        ("before", "conversation.item.done", "response.created"),
        ("during", "response.created", "response.done"),
        ("after", "response.done", ""),
    ],
)
def test_a_transcript_comes_when_the_script_says(when: Any, before: str, after: str) -> None:
    client = transcribing("gpt-transcribe", Answer(say=("Yes.",), caller="Is it open", transcript=when))
    client.say(UTTERANCE)
    client.run(5)
    order = [event["type"] for event in client.events]
    place = order.index(f"{TRANSCRIPTION}.completed")
    assert order.index(before) < place
    assert not after or place < order.index(after)
    (completed,) = client.of(f"{TRANSCRIPTION}.completed")
    deltas = [event["delta"] for event in client.of(f"{TRANSCRIPTION}.delta")]
    assert deltas == ["Is", " it", " open"]
    assert completed["transcript"] == "Is it open"
    details = {"input_token_details": {"text_tokens": 0, "audio_tokens": 15}}
    tokens = {"type": "tokens", "total_tokens": 18, "input_tokens": 15, "output_tokens": 3}
    assert completed["usage"] == tokens | details
    (event,) = client.send("conversation.item.retrieve", item_id=completed["item_id"])
    assert event["item"]["content"][0]["transcript"] == "Is it open"


def test_whisper_bills_seconds_and_writes_in_one_piece() -> None:
    client = transcribing("whisper-1", Answer(say=("Yes.",), caller="Is it open"))
    client.say(UTTERANCE)
    client.run(5)
    assert [event["delta"] for event in client.of(f"{TRANSCRIPTION}.delta")] == ["Is it open"]
    (completed,) = client.of(f"{TRANSCRIPTION}.completed")
    assert completed["usage"] == {"type": "duration", "seconds": 2}


def test_a_streaming_model_writes_while_the_caller_speaks() -> None:
    """Beside turn detection: before commit and item, for the id that `speech_started` announced."""
    words = "one two three four five six seven eight"
    client = transcribing("gpt-realtime-whisper", Answer(say=("Yes.",), caller=words))
    client.say(md.quiet(416) + md.loud(1504) + md.quiet(544))
    client.run(5)
    order = [event["type"] for event in client.events]
    deltas = client.of(f"{TRANSCRIPTION}.delta")
    assert "".join(event["delta"] for event in deltas) == words
    early = order[: order.index("input_audio_buffer.speech_stopped")].count(f"{TRANSCRIPTION}.delta")
    assert 3 < early < len(deltas)
    (started,), (completed,) = client.of(STARTED), client.of(f"{TRANSCRIPTION}.completed")
    assert {event["item_id"] for event in deltas} == {started["item_id"]} == {completed["item_id"]}
    assert completed["transcript"] == words
    # 300 ms of padding, 1504 of speech, 512 of silence.
    assert completed["usage"] == {"type": "duration", "seconds": 3}


def test_what_is_written_of_a_turn_that_is_cleared_goes_no_further() -> None:
    client = transcribing("gpt-realtime-whisper", Answer(say=("Yes.",), caller="one two three four"))
    client.say(md.quiet(416) + md.loud(608))
    assert client.of(f"{TRANSCRIPTION}.delta")
    client.send("input_audio_buffer.clear")
    assert client.run(5) == []


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-transcribe"])
def test_an_empty_turn_has_an_empty_transcript(model: str) -> None:
    client = transcribing(model, Answer(say=("Yes.",), caller="Is it open"))
    client.append(md.quiet(2000))
    client.send("input_audio_buffer.commit")
    client.run(5)
    (completed,) = client.of(f"{TRANSCRIPTION}.completed")
    assert completed["transcript"] == ""
    assert not client.of(f"{TRANSCRIPTION}.delta")
    assert completed["usage"].get("seconds", 0) == 0


def test_a_transcription_may_fail() -> None:
    failure = Failure(code="audio_unintelligible", message="Not understood.", type="transcription")
    client = transcribing("gpt-transcribe", Answer(say=("Sorry?",), transcript_error=failure))
    client.say(UTTERANCE)
    client.run(5)
    (failed,) = client.of(f"{TRANSCRIPTION}.failed")
    told = {"code": "audio_unintelligible", "message": "Not understood."}
    assert failed["error"] == {"type": "transcription", "param": None, **told}
    assert not client.of(f"{TRANSCRIPTION}.completed")
    assert client.of("response.done")[0]["response"]["status"] == "completed"


def test_speech_that_the_script_does_not_know_is_named_by_its_length() -> None:
    """The transcript of a turn in which there is speech is never empty, so that it can be seen."""
    client = transcribing("gpt-transcribe", Answer(say=("Yes.",)))
    client.say(UTTERANCE)
    client.run(5)
    assert client.of(f"{TRANSCRIPTION}.completed")[0]["transcript"] == "(speech of 1.4 s)"


def test_an_idle_caller_is_prompted() -> None:
    """After the answer's audio and the timeout: a word of the system, an item of silence, and a response."""
    speech = md.loud(2000)
    script = md.scripted(Answer(say=(Say(text="Hi.", audio=speech),)), Answer(say=("Hello?",)))
    client = listening(script, idle_timeout_ms=5000)
    client.respond(0.8)
    done_at = client.at("response.done")
    events = client.say(md.quiet(8000))
    assert md.kinds(events)[:7] == [
        "input_audio_buffer.timeout_triggered", *COMMITTED[1:], *COMMITTED, "response.created"]  # fmt: skip
    assert client.at("input_audio_buffer.timeout_triggered") == pytest.approx(done_at + 7.0)
    triggered, told, _done, committed = events[:4]
    assert (told["item"]["role"], committed["previous_item_id"]) == ("system", told["item"]["id"])
    assert triggered["audio_end_ms"] - triggered["audio_start_ms"] == 5000
    assert committed["item_id"] == triggered["item_id"]


@pytest.mark.parametrize("disturbance", ["speech", "response", "off"])
def test_an_idle_timeout_does_not_fire_when_something_happens(disturbance: str) -> None:
    idle: md.Event = {} if disturbance == "off" else {"idle_timeout_ms": 5000}
    client = listening(md.answers("Hi.", "x" * 1000, "Hm.", after_ms=100), **idle)
    client.respond(3)
    if disturbance == "speech":
        client.append(md.quiet(400) + md.loud(100))
    elif disturbance == "response":
        client.respond(6)
    assert not client.of("input_audio_buffer.timeout_triggered")


APPEND = "input_audio_buffer.append"


@pytest.mark.parametrize(
    "message",
    [
        '{"type":"input_audio_buffer.append","audio":"//8="}',
        '{"audio": "//8=", "event_id": "e1", "type": "input_audio_buffer.append"}',
        '{"type":"input_audio_buffer.append","audio":"//8=","event_id":null}',
        '{"type":"input_audio_buffer.append","audio":""}',
        '{"type":"input_audio_buffer.append","audio":"%%%"}',
        '{"type":"input_audio_buffer.append","audio":"//8=","event_id":"e1","more":1}',
        '{"type":"input_audio_buffer.append","audio":7,"event_id":"e1"}',
        '{"type":"input_audio_buffer.append","event_id":"e1"}',
        '{"type":"input_audio_buffer.append","audio":"//8=","event_id":5}',
        '{"audio":"//8=","event_id":"input_audio_buffer.append"}',
        '{"type":"input_audio_buffer.clear","event_id":"input_audio_buffer.append"}',
        '{"type":"input_audio_buffer.append","audio":"//8="',
        '{"type":"input_audio_buffer.append","audio":"AAAAAA=="}',
        '{"type":"input_audio_buffer.append","audio":"AAAAAA"}',
        '{"type":"input_audio_buffer.append","audio":"AAAA=AAA"}',
    ],
)
def test_an_append_is_judged_alike_whichever_way_it_is_read(message: str) -> None:
    """A session whose script has a fault for a later append reads every one of them the long way."""
    far = Fault(kind="ignore", on=APPEND, nth=1000)
    short, long = md.ModelClient(Script()), md.ModelClient(Script(faults=(far,)))
    for client in (short, long):
        client.configure()
        client.send_raw(message)
    assert [e for e in short.events if e["type"] != "session.updated"][1:] == [
        e for e in long.events if e["type"] != "session.updated"
    ][1:]
    assert short.session.journal.appended_bytes == long.session.journal.appended_bytes
    assert short.session.journal.refusals == long.session.journal.refusals
    assert short.session.journal.received == long.session.journal.received


def test_a_fault_may_take_the_place_of_an_append() -> None:
    """The short way leaves it to the script."""
    client = md.ModelClient.configured(
        Script(faults=(Fault(kind="error", on=APPEND, nth=2, error_code="x"),))
    )
    assert client.append(md.quiet(20)) == []
    assert [event["error"]["code"] for event in client.append(md.quiet(20))] == ["x"]
    assert client.session.journal.appends == 1
