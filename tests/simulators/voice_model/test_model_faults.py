"""Faults that the world shows: odd ends of responses, deaf and hasty detectors, loops, late transcripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import model_driver as md
from callbridge.simulators import voice_model as vm

TRANSCRIPTION = "conversation.item.input_audio_transcription"
STARTED, STOPPED = "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"
LOOK_UP = {"type": "function", "name": "look_up"}
UTTERANCE = md.quiet(400) + md.loud(600) + md.quiet(560)
SAID = "One two three four five six seven eight."


def talking(*said: vm.Answer, transcribed_by: str = "", **fields: Any) -> md.ModelClient:
    """A client with turn detection and a tool, whose events start after the setting-up."""
    script = md.scripted(*said, **fields)
    vm.refuse_impossible(script)
    client = md.ModelClient(script)
    session = md.telephone(tools=[LOOK_UP])
    if transcribed_by:
        session["audio"]["input"]["transcription"] = {"model": transcribed_by}
    client.send("session.update", session=session)
    client.events.clear()
    client.times.clear()
    return client


def done(client: md.ModelClient) -> md.Event:
    """The response in the last `response.done`."""
    response: md.Event = client.of("response.done")[-1]["response"]
    return response


def statuses(client: md.ModelClient) -> list[str]:
    return [event["response"]["status"] for event in client.of("response.done")]


# --- How a response ends ----------------------------------------------------------------------


def test_a_response_may_be_completed_with_nothing_at_all() -> None:
    client = talking(vm.Answer(empty=True))
    client.respond(5)
    kinds = [kind for kind in md.kinds(client.events) if kind != "rate_limits.updated"]
    assert kinds == ["response.created", "response.done"]
    assert (done(client)["status"], done(client)["output"]) == ("completed", [])


def test_a_response_may_hold_text_alone_in_a_session_of_audio() -> None:
    client = talking(vm.Answer(say=(vm.Say(text=SAID, form="text"),)))
    client.respond(9)
    assert client.of("response.output_audio.delta") == []
    assert "".join(event["delta"] for event in client.of("response.output_text.delta")) == SAID
    assert done(client)["output"][0]["content"] == [{"type": "output_text", "text": SAID}]
    assert (done(client)["status"], done(client)["output_modalities"]) == ("completed", ["audio"])


def test_a_response_may_have_a_transcript_and_no_audio() -> None:
    """All events of speech but the audio itself; nothing of it can be truncated."""
    client = talking(vm.Answer(say=(vm.Say(text=SAID, form="transcript"),)))
    client.respond(9)
    kinds = md.kinds(client.events)
    assert set(md.CLOSING) <= set(kinds)
    assert client.of("response.output_audio.delta") == []
    words = [event["delta"] for event in client.of("response.output_audio_transcript.delta")]
    assert "".join(words) == client.of("response.output_audio_transcript.done")[0]["transcript"] == SAID
    (item,) = done(client)["output"]
    assert item["content"] == [{"type": "output_audio", "transcript": SAID}]
    client.events.clear()
    cut = client.send("conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=20)
    assert md.error_of(cut)[1] == "Audio content of 0ms is already shorter than 20ms"


@pytest.mark.parametrize("preamble", [(), ("Let me see.",)], ids=["alone", "after a preamble"])
@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_a_response_may_stop_in_half_a_sentence(preamble: tuple[str, ...], reason: Any) -> None:
    begun_ms = sum(len(vm.tone(text)) // 8 for text in preamble)
    cut = vm.Answer(
        say=(*preamble, SAID), status="incomplete", reason=reason, stop_after_ms=begun_ms + 1000, after_ms=0
    )
    client = talking(cut)
    client.respond(9)
    assert done(client)["status_details"] == {"type": "incomplete", "reason": reason}
    *whole, half = done(client)["output"]
    assert [item["status"] for item in whole] == ["completed"] * len(preamble)
    assert half["status"] == "incomplete"
    assert SAID.startswith(half["content"][0]["transcript"])
    assert half["content"][0]["transcript"] != SAID
    assert 8000 <= len(client.audio(half["id"])) < len(vm.tone(SAID))


@pytest.mark.parametrize(
    ("wait_s", "text"),
    [(7.2, "7.2s"), (20, "20s"), (0.4256, "426ms"), (1.0, "1s"), (86.4, "1m26.4s"), (21_600, "6h0m0s")],
)
def test_a_failure_may_name_a_wait(wait_s: float, text: str) -> None:
    failure = vm.Failure(code="rate_limit_exceeded", message="Rate limit reached.", try_again_s=wait_s)
    client = talking(vm.Answer(status="failed", error=failure))
    client.respond(5)
    error = done(client)["status_details"]["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert error["message"].startswith(f"Rate limit reached. Please try again in {text}. Visit https://")


@pytest.mark.parametrize(("after_ms", "comes"), [(4000, True), ("never", False)])
def test_the_end_of_a_response_may_come_late_or_never(after_ms: Any, comes: bool) -> None:
    """Its audio and its item are whole in time. Until it is done no other response may begin."""
    client = talking(vm.Answer(say=(SAID,), done_after_ms=after_ms))
    client.respond(3)
    assert set(md.CLOSING) <= set(md.kinds(client.events))
    assert client.of("response.done") == []
    refused = client.send("response.create")
    assert md.error_of(refused)[0] == "conversation_already_has_active_response"
    client.run(600)
    assert len(client.of("response.done")) == comes
    if comes:
        assert client.at("response.done") - client.at("response.output_item.done") == pytest.approx(4)


@pytest.mark.parametrize("by", ["command", "speech"])
def test_a_response_that_is_not_done_can_be_ended(by: str) -> None:
    client = talking(vm.Answer(say=(SAID,), done_after_ms="never"), vm.Answer(say=("Yes.",)))
    client.respond(10)
    if by == "command":
        client.send("response.cancel")
    else:
        client.say(UTTERANCE)
        client.run(5)
    assert statuses(client) == (["cancelled"] if by == "command" else ["cancelled", "completed"])


# --- Turn detection ---------------------------------------------------------------------------


def hearing(kind: Any, seconds: float | None = None, after_ms: int = 0) -> md.ModelClient:
    """A client of a session whose detector is out of order."""
    fault = vm.Fault(kind=kind, after_ms=after_ms, seconds=seconds)
    return talking(
        *(vm.Answer(say=(SAID,)) for _ in range(3)), transcribed_by="gpt-transcribe", faults=(fault,)
    )


def test_a_deaf_detector_hears_nothing_while_all_else_goes_on() -> None:
    client = hearing("vad_deaf")
    client.say(UTTERANCE)
    assert client.events == []
    client.send("response.create")
    client.say(UTTERANCE)
    client.run(5)
    assert statuses(client) == ["completed"], "it was not interrupted"
    assert md.kinds(client.send("input_audio_buffer.commit"))[0] == "input_audio_buffer.committed"
    assert md.error_of(client.send("response.cancel"))[0] == "response_cancel_not_active"


def test_a_deaf_detector_ends_the_turn_that_it_is_in() -> None:
    client = hearing("vad_deaf", after_ms=600)
    client.say(md.quiet(400) + md.loud(2000))
    assert (len(client.of(STARTED)), len(client.of(STOPPED))) == (1, 1)


def test_a_stuck_detector_hears_a_street() -> None:
    """The turn starts with speech and has no end, until it is committed by hand."""
    client = hearing("vad_stuck")
    assert client.say(md.quiet(2000)) == []
    client.say(UTTERANCE + md.quiet(9000))
    assert md.kinds(client.events) == [STARTED]
    committed = client.send("input_audio_buffer.commit")
    assert committed[0]["item_id"] == client.of(STARTED)[0]["item_id"]
    client.say(md.quiet(1000))
    assert (len(client.of(STARTED)), client.of(STOPPED)) == (1, [])


@pytest.mark.parametrize("kind", ["vad_deaf", "vad_stuck"])
def test_a_detector_may_recover(kind: str) -> None:
    client = hearing(kind, seconds=4)
    client.say(UTTERANCE + md.quiet(1000))
    assert client.of(STOPPED) == []
    client.run(2)
    client.say(UTTERANCE)
    assert len(client.of(STARTED)) == len(client.of(STOPPED)) == 1


def test_a_detector_does_not_recover_from_what_came_later() -> None:
    deaf = vm.Fault(kind="vad_deaf", after_ms=0, seconds=2)
    client = talking(faults=(deaf, vm.Fault(kind="vad_stuck", after_ms=1000)))
    client.run(3)
    client.say(UTTERANCE + md.quiet(1000))
    assert md.kinds(client.events) == [STARTED]


def test_a_detector_stays_out_of_order_over_an_update() -> None:
    client = hearing("vad_deaf")
    client.run(0.1)
    client.detect(threshold=0.2, silence_duration_ms=200)
    client.say(UTTERANCE)
    assert client.of(STARTED) == []


def test_noise_makes_a_turn_without_words() -> None:
    """It interrupts and is answered, as words would be; it lasts as long as the silence that ends a turn."""
    noise = vm.Fault(kind="vad_noise", at=1000)
    answers = (vm.Answer(say=("x" * 100,), faults=(noise,)), vm.Answer(say=("Yes?",), caller="Words."))
    client = talking(*answers, transcribed_by="gpt-transcribe")
    client.send("response.create")
    client.say(md.quiet(4000))
    client.run(5)
    assert statuses(client) == ["cancelled", "completed"]
    (started,), (stopped,) = client.of(STARTED), client.of(STOPPED)
    assert started["item_id"] == stopped["item_id"]
    assert stopped["audio_end_ms"] - started["audio_start_ms"] == pytest.approx(500 + 300, abs=120)
    (heard,) = client.of(f"{TRANSCRIPTION}.completed")
    assert (heard["item_id"], heard["transcript"]) == (started["item_id"], "")
    assert client.of(f"{TRANSCRIPTION}.delta") == []


def test_noise_in_the_middle_of_speech_is_part_of_it() -> None:
    """And so is speech in the middle of noise: such a turn has words."""
    client = talking(
        vm.Answer(say=("Yes?",), caller="First."),
        vm.Answer(say=("Yes?",), caller="Second."),
        transcribed_by="gpt-transcribe",
        faults=(vm.Fault(kind="vad_noise", after_ms=800), vm.Fault(kind="vad_noise", after_ms=4200)),
    )
    client.say(UTTERANCE + md.quiet(2480) + UTTERANCE)
    client.run(5)
    assert len(client.of(STARTED)) == len(client.of(STOPPED)) == 2
    heard = [event["transcript"] for event in client.of(f"{TRANSCRIPTION}.completed")]
    assert heard == ["First.", "Second."]


# --- Half open --------------------------------------------------------------------------------


def test_a_half_open_connection_answers_no_nonsense_either() -> None:
    """With pongs the socket is not told; without, it takes all that comes and answers no ping."""
    for pongs in (True, False):
        client = talking(faults=(vm.Fault(kind="stall", after_ms=300, pongs=pongs),))
        client.run(1)
        assert client.send("nonsense") == client.send("response.create") == client.run(60) == []
        assert client.session.deadline is None
        assert (client.outputs[-1][1] == vm.Mute()) == (not pongs)


# --- Tools without end ------------------------------------------------------------------------


def work(client: md.ModelClient, rounds: int) -> list[str]:
    """Ask, answer every call with a result, and say what was called or said, up to so many times."""
    seen = []
    for _ in range(rounds):
        client.respond(5)
        (item,) = done(client)["output"]
        seen.append(item.get("name") or item["content"][0]["transcript"])
        if item["type"] == "function_call":
            output = {"type": "function_call_output", "call_id": item["call_id"], "output": "{}"}
            client.send("conversation.item.create", item=output)
    return seen


def test_a_model_may_call_again_after_every_result() -> None:
    looping = vm.Answer(calls=(vm.Call(name="look_up"),), times=3)
    client = talking(looping, vm.Answer(say=("Found.",), times=2), vm.Answer(say=("Else?",)))
    assert work(client, 6) == ["look_up", "look_up", "look_up", "Found.", "Found.", "Else?"]
    calls = [event["call_id"] for event in client.of("response.function_call_arguments.done")]
    assert len(set(calls)) == 3


def test_a_model_may_want_to_hang_up_again_and_again() -> None:
    leaving = vm.Answer(calls=(vm.Call(name="end_call", even_if_not_offered=True),), times="for_ever")
    client = talking(vm.Answer(say=("Bye.",)), leaving)
    assert work(client, 30) == ["Bye.", *["end_call"] * 29]


# --- What the caller said ---------------------------------------------------------------------


def test_transcripts_may_come_out_of_order() -> None:
    client = talking(
        vm.Answer(say=("Yes.",), caller="First.", transcript_after_ms=8000),
        vm.Answer(say=("Yes.",), caller="Second.", transcript_after_ms=100),
        transcribed_by="gpt-transcribe",
    )
    for _ in range(2):
        client.say(UTTERANCE)
        client.run(2)
    committed = client.of("input_audio_buffer.committed")
    client.run(9)
    heard = [(event["item_id"], event["transcript"]) for event in client.of(f"{TRANSCRIPTION}.completed")]
    assert heard == [(committed[1]["item_id"], "Second."), (committed[0]["item_id"], "First.")]


@pytest.mark.parametrize("model", ["gpt-transcribe", "gpt-realtime-whisper"])
def test_a_transcript_may_never_come(model: str) -> None:
    """Nor a word of it while the caller speaks."""
    client = talking(vm.Answer(say=("Yes.",), caller="Words.", transcript="never"), transcribed_by=model)
    client.say(UTTERANCE)
    client.run(600)
    assert statuses(client) == ["completed"]
    assert not [event for event in client.events if event["type"].startswith(TRANSCRIPTION)]


# --- In a script ------------------------------------------------------------------------------

WHOLE = """
answer = [
    {empty = true},
    {say = [{text = "Only text.", form = "text"}, {text = "Only words.", form = "transcript"}]},
    {say = ["Half a sentence."], status = "incomplete", reason = "content_filter", stop_after_ms = 400},
    {status = "failed", error = {code = "rate_limit_exceeded", message = "Slow down.", try_again_s = 7.2}},
    {say = ["Late."], done_after_ms = 5000, faults = [{kind = "vad_noise", at = 500}]},
    {say = ["Never."], done_after_ms = "never", transcript = "never"},
    {calls = [{name = "look_up"}], times = 4},
    {calls = [{name = "end_call"}], times = "for_ever"},
]
fault = [
    {kind = "vad_deaf", after_ms = 0},
    {kind = "vad_stuck", after_ms = 9000, seconds = 2.5},
    {kind = "stall", on = "response.create", nth = 9, pongs = false},
]
"""


def test_all_of_it_can_be_written_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.toml"
    path.write_text(WHOLE, encoding="utf-8")
    script = vm.load_script(path)
    empty, texts, _, failed, late, never, loop, leaving = script.answers
    assert (empty.empty, loop.times, leaving.times) == (True, 4, "for_ever")
    assert [say.form for say in texts.speeches] == ["text", "transcript"]
    assert failed.error == vm.Failure(code="rate_limit_exceeded", message="Slow down.", try_again_s=7.2)
    assert (late.done_after_ms, never.done_after_ms, never.transcript) == (5000, "never", "never")
    assert late.faults == (vm.Fault(kind="vad_noise", at=500),)
    assert script.faults[1:] == (
        vm.Fault(kind="vad_stuck", after_ms=9000, seconds=2.5),
        vm.Fault(kind="stall", on="response.create", nth=9, pongs=False),
    )
    assert vm.parse_fault("vad_deaf:2.5@3+100") == (3, vm.Fault(kind="vad_deaf", seconds=2.5, at=100))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[answer]]\nempty = true\nsay = ['Hi']", "says something and is silent, absent or empty"),
        ("[[answer]]\nempty = true\nsilent = true", "is silent and empty; keep one"),
        ("[[answer]]\nempty = true\nstatus = 'failed'", "failed without output needs no `empty`"),
        ("[[answer]]\nsilent = true\ndone_after_ms = 'never'", "silent, and so it is never done"),
        ("[[answer]]\nsay = ['Hi']\ndone_after_ms = 'late'", "at `$.answer[0].done_after_ms`"),
        ("[[answer]]\nsay = ['Hi']\ntimes = 0", "at `$.answer[0].times`"),
        (
            "[[answer]]\nsay = ['Hi']\ntimes = 'for_ever'\n[[answer]]\nsay = ['Ho']",
            "answer 1: comes for ever",
        ),
        ("[default]\nsay = ['Hi']\ntimes = 2", "come as often as they must"),
        ("[out_of_band]\nsay = ['Hi']\ntimes = 2", "come as often as they must"),
        ("[out_of_band]\nsay = []", "out_of_band: says nothing"),
        ("[[answer]]\nsay = [{text = 'Hi', form = 'song'}]", "at `$.answer[0].say[0].form`"),
        ("[[answer]]\nsay = [{text = 'Hi', form = 'text', speech = 'a.wav'}]", "has no `speech`"),
        ("[[answer]]\nsay = [{text = 'Hi', form = 'transcript'}]\nendless = true", "endless is audio"),
        ("[[answer]]\nsay = [{text = 'Hi', form = 'text'}]\nstop_after_ms = 5", "stop_after_ms counts audio"),
        ("[[answer]]\nsay = ['Hi']\ntranscript = 'never'\ntranscript_error = {}", "never comes has no"),
        ("[[answer]]\nstatus = 'failed'\nerror = {try_again_s = 0}", "at `$.answer[0].error.try_again_s`"),
        ("[[fault]]\nkind = 'abort'\nafter_ms = 1\nseconds = 3", "fault abort: happens at once"),
        (
            "[[answer]]\nsay = ['Hi']\nfaults = [{kind = 'vad_noise', seconds = 1}]",
            "vad_noise: happens at once",
        ),
        ("[[fault]]\nkind = 'deaf'\nafter_ms = 1\npongs = false", "only a stall may go without `pongs`"),
        (
            "[[fault]]\nkind = 'stall'\nafter_ms = 1\npongs = false\nseconds = 3",
            "without pongs it has no end",
        ),
    ],
)
def test_nonsense_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "script.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(vm.ScriptError) as caught:
        vm.load_script(path)
    assert complaint in str(caught.value)
