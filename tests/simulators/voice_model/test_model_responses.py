"""The event ladders of the simulated voice model: their order, their pace, and how they are cut."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import Any

import pytest

import model_driver as md
from callbridge.simulators.voice_model import Answer, Call, Failure, Say, Script, tone

HOURS = {"type": "function", "name": "opening_hours"}

BEGUN = md.ladder("response.output_item.added conversation.item.added")
SAYING = [*BEGUN, "response.content_part.added", "(deltas)"]
MESSAGE = [*SAYING, *md.CLOSING]
CALLING = [*BEGUN, "(deltas)"]
CALLED = ["response.function_call_arguments.done", *md.CLOSING[3:]]
CALL = [*CALLING, *CALLED]


def responding(
    script: Script, for_s: float = 0, model: str = "gpt-realtime-2.1", **session: Any
) -> md.ModelClient:
    """A telephone client that has asked for its first response, some seconds ago."""
    client = md.ModelClient(script, model=model)
    client.configure(**session)
    client.events.clear()
    client.times.clear()
    client.respond(for_s)
    return client


def done(client: md.ModelClient) -> md.Event:
    """The response in the last `response.done`."""
    response: md.Event = client.of("response.done")[-1]["response"]
    return response


@pytest.mark.parametrize(
    ("answer", "rungs"),
    [
        (Answer(say=("Good morning.",)), MESSAGE),
        (Answer(say=("Let me see.", "It is open.")), [*MESSAGE, *MESSAGE]),
        (Answer(calls=(Call(name="opening_hours"),)), CALL),
        (Answer(say=("Let me see.",), calls=(Call(name="opening_hours"),)), [*MESSAGE, *CALL]),
        (Answer(say=("Done.",), calls=(Call(name="opening_hours"),), calls_first=True), [*CALL, *MESSAGE]),
        (
            Answer(
                calls=(
                    Call(name="opening_hours", arguments={"day": "Monday"}),
                    Call(name="opening_hours", arguments={"day": "Sunday"}),
                )
            ),
            [*CALL, *CALL],
        ),
    ],
    ids=["message", "two messages", "call", "preamble and call", "call first", "two calls"],
)
def test_each_item_has_its_ladder(answer: Answer, rungs: list[str]) -> None:
    client = responding(md.scripted(answer), tools=[HOURS], for_s=10, model="gpt-realtime")
    assert md.kinds(client.events) == [*md.CREATED, *rungs, *md.DONE]
    indexes = [event["output_index"] for event in client.of("response.output_item.done")]
    assert indexes == list(range(len(indexes)))


def test_items_of_the_newest_models_overlap() -> None:
    """A call begins before the message in front of it is done. Interrupted there, both are incomplete."""
    answer = Answer(
        say=("Well.", "Let me see."), calls=(Call(name="opening_hours"), Call(name="opening_hours"))
    )
    client = responding(md.scripted(answer), tools=[HOURS], for_s=10)
    overlapping = [*SAYING, *CALLING, *md.CLOSING, *CALLED]
    assert md.kinds(client.events) == [*md.CREATED, *MESSAGE, *overlapping, *CALL, *md.DONE]
    client = responding(md.scripted(answer), tools=[HOURS])
    while not client.of("response.function_call_arguments.delta"):
        client.run(0.01)
    client.send("response.cancel")
    assert [item["status"] for item in done(client)["output"]] == ["completed", "incomplete", "incomplete"]
    assert [event["output_index"] for event in client.of("response.output_item.done")] == [0, 1, 2]


@pytest.mark.parametrize("is_first", [False, True])
def test_messages_of_the_newest_models_tell_their_phase(is_first: bool) -> None:
    """All but the last item of a response are commentary. Other models say nothing of it."""
    answer = Answer(say=("Well.", "So."), calls=(Call(name="opening_hours"),), calls_first=is_first)
    phases = {}
    for model in ("gpt-realtime-2.1", "gpt-realtime"):
        client = responding(md.scripted(answer), tools=[HOURS], for_s=10, model=model)
        items = [item for item in done(client)["output"] if item["type"] == "message"]
        phases[model] = [item.get("phase") for item in items]
        added = [event["item"] for event in client.of("response.output_item.added")]
        assert [item.get("phase") for item in added if item["type"] == "message"] == phases[model]
    last = "final_answer" if is_first else "commentary"
    assert phases == {"gpt-realtime-2.1": ["commentary", last], "gpt-realtime": [None, None]}


def test_rate_limits_come_a_moment_after_the_response() -> None:
    """Of tokens alone."""
    client = responding(md.answers("Hi."), for_s=5)
    (event,) = client.of("rate_limits.updated")
    assert client.at("rate_limits.updated") - client.at("response.done") == pytest.approx(0.036)
    assert [limit["name"] for limit in event["rate_limits"]] == ["tokens"]


def test_what_is_done_first_in_a_conversation_forgets_what_was_before_it() -> None:
    """`previous_item_id` of the model's first answer to a first turn is null in `conversation.item.done`."""
    client = responding(md.answers("Hello.", "Good morning.", "Good evening."))
    client.send("response.cancel")
    client.append(md.quiet(400) + md.loud(600) + md.quiet(700))
    client.run(5)
    client.respond(5)
    before = {}
    for kind in ("conversation.item.added", "conversation.item.done"):
        before[kind] = [event["previous_item_id"] for event in client.of(kind)]
    user, first, _second = (event["item"]["id"] for event in client.of("conversation.item.done"))
    assert before["conversation.item.added"] == [None, user, first]
    assert before["conversation.item.done"] == [None, None, first]


def test_a_text_response_has_no_audio() -> None:
    client = md.ModelClient(md.answers("Good morning to you."))
    client.send("response.create", response={"output_modalities": ["text"]})
    client.run(5)
    closing = ["response.output_text.done", *md.CLOSING[2:], *md.DONE]
    assert md.kinds(client.events)[2:] == [*BEGUN, "response.content_part.added", "(deltas)", *closing]
    assert client.of("response.content_part.added")[0]["part"] == {"type": "text", "text": ""}
    text = "".join(event["delta"] for event in client.of("response.output_text.delta"))
    assert text == client.of("response.output_text.done")[0]["text"] == "Good morning to you."
    content = done(client)["output"][0]["content"]
    assert content == [{"type": "output_text", "text": "Good morning to you."}]
    assert done(client)["output_modalities"] == ["text"]


def test_ids_tie_the_events_of_a_response_together() -> None:
    client = responding(md.scripted(Answer(say=("One.", "Two."))), for_s=5)
    response_id = client.events[0]["response"]["id"]
    first, second = (item["id"] for item in done(client)["output"])
    for event in client.events:
        assert event.get("response_id", response_id) == response_id
        assert event.get("item_id", first) in {first, second}
    assert len({event["event_id"] for event in client.events}) == len(client.events)
    added = client.of("conversation.item.added")
    assert [event["previous_item_id"] for event in added] == [None, first]


def test_items_grow_from_in_progress_to_completed() -> None:
    client = responding(md.answers("Good morning."), for_s=5)
    (added,), (finished,) = (client.of("response.output_item.added"), client.of("response.output_item.done"))
    assert (added["item"]["status"], added["item"]["content"]) == ("in_progress", [])
    assert finished["item"]["status"] == "completed"
    assert finished["item"]["content"] == [{"type": "output_audio", "transcript": "Good morning."}]
    assert done(client)["output"] == [finished["item"]]


def test_deltas_are_the_speech_in_odd_pieces() -> None:
    speech = tone("A long sentence about the history of bread in Northern Europe." * 4)
    client = responding(md.scripted(Answer(say=(Say(text="Bread.", audio=speech),))), for_s=10)
    item_id = done(client)["output"][0]["id"]
    assert client.audio(item_id) == speech
    sizes = [len(base64.b64decode(e["delta"])) for e in client.of("response.output_audio.delta")]
    assert all(size % 160 for size in sizes[:-1])
    assert len(set(sizes)) > len(sizes) / 2
    assert all(1600 <= size <= 3041 for size in sizes[:-1])
    assert 250 < sum(sizes[:-1]) / len(sizes[:-1]) / 8 < 330


def test_the_same_seed_cuts_and_names_alike() -> None:
    runs = []
    for seed, connection in ((7, 1), (7, 1), (8, 1), (7, 2)):
        client = md.ModelClient(md.answers("Good morning."), seed=seed, connection=connection)
        client.respond(5)
        runs.append(client.events)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert runs[0] != runs[3]


@pytest.mark.parametrize("pace", [0.5, 1.0, 5.0, 20.0])
def test_audio_comes_at_its_pace(pace: float) -> None:
    client = responding(md.answers("Twelve seconds of a very long sentence.", pace=pace, after_ms=700))
    client.run(60)
    first = client.times[client.events.index(client.of("response.output_audio.delta")[0])]
    assert first - 100.0 == pytest.approx(0.7)
    seconds = len(client.audio(done(client)["output"][0]["id"])) / 8000
    assert client.at("response.done") - first == pytest.approx(seconds / pace)
    for earlier, later in pairwise(client.times):
        assert earlier <= later


@pytest.mark.parametrize(("model", "pace"), [("gpt-realtime-2.1", 5.0), ("gpt-realtime-2.1-mini", 13.0)])
def test_each_model_has_its_pace(model: str, pace: float) -> None:
    client = responding(md.answers("A long sentence about bread."), for_s=20, model=model)
    seconds = len(tone("A long sentence about bread.")) / 8000
    assert client.at("response.done") - 100.3 == pytest.approx(seconds / pace)


def test_settings_and_latency_apply_where_the_answer_says_nothing() -> None:
    """The server's pace beats the script's; its latency is added to the time to think."""
    client = md.ModelClient(md.answers("Good morning."), pace=2.0, latency_ms=400)
    client.respond(30)
    seconds = len(tone("Good morning.")) / 8000
    assert client.at("response.done") - 100.0 == pytest.approx(0.3 + 0.4 + seconds / 2)


def test_the_transcript_runs_ahead_of_the_audio() -> None:
    """A quarter of the words are there with the first audio, all of them before the last."""
    words = " ".join(f"word{n}" for n in range(40))
    client = responding(md.answers(words), for_s=20)
    order = [event["type"].split(".")[1] for event in client.events if "delta" in event["type"]]
    first_audio = order.index("output_audio")
    assert 10 <= first_audio <= 11
    last_audio = len(order) - 1 - order[::-1].index("output_audio")
    assert "output_audio_transcript" not in order[last_audio:]
    said = "".join(e["delta"] for e in client.of("response.output_audio_transcript.delta"))
    assert said == client.of("response.output_audio_transcript.done")[0]["transcript"] == words


@pytest.mark.parametrize(("kind", "width"), [("audio/pcm", 6), ("audio/pcma", 1)])
def test_clients_of_other_formats_get_theirs(kind: str, width: int) -> None:
    wanted: md.Event = {"type": kind} | ({"rate": 24000} if kind == "audio/pcm" else {})
    client = md.ModelClient(md.answers("Good morning."))
    client.send("session.update", session={"type": "realtime", "audio": {"output": {"format": wanted}}})
    client.respond(5)
    item_id = done(client)["output"][0]["id"]
    assert len(client.audio(item_id)) == width * len(tone("Good morning."))
    assert done(client)["audio"]["output"]["format"] == wanted


def test_a_call_streams_its_arguments() -> None:
    call = Call(name="opening_hours", arguments={"day": "Sunday", "city": "Århus"})
    client = responding(md.scripted(Answer(calls=(call,))), tools=[HOURS], for_s=5)
    (finished,) = client.of("response.function_call_arguments.done")
    pieces = [e["delta"] for e in client.of("response.function_call_arguments.delta")]
    assert len(pieces) > 1
    assert "".join(pieces) == finished["arguments"]
    assert json.loads(finished["arguments"]) == {"day": "Sunday", "city": "Århus"}
    (item,) = done(client)["output"]
    assert item["type"] == "function_call"
    assert (item["name"], item["status"]) == ("opening_hours", "completed")
    assert item["call_id"] == finished["call_id"]
    assert item["arguments"] == finished["arguments"]


def test_a_call_can_be_scripted_wrong() -> None:
    call = Call(name="launch_rocket", raw_arguments='{"day": Sunday', even_if_not_offered=True)
    client = responding(md.scripted(Answer(calls=(call,))), tools=[HOURS], for_s=5)
    (item,) = done(client)["output"]
    assert (item["name"], item["arguments"]) == ("launch_rocket", '{"day": Sunday')
    assert client.of("response.function_call_arguments.done")[0]["arguments"] == '{"day": Sunday'


def test_a_tool_that_is_not_offered_is_not_called() -> None:
    """The preamble and what would have followed the call are said together, and it is noted."""
    script = md.scripted(
        Answer(say=("Let me see.",), calls=(Call(name="opening_hours"),)),
        Answer(after_call=True, say=("We are open.",)),
        Answer(say=("Goodbye.",)),
    )
    client = responding(script, for_s=5)
    said = [item["content"][0]["transcript"] for item in done(client)["output"]]
    assert said == ["Let me see.", "We are open."]
    notes = [note.text for note in client.session.journal.notes if note.kind == "left_out"]
    assert notes == ["opening_hours: the session offers no such tool"]
    client.respond(5)
    assert done(client)["output"][0]["content"][0]["transcript"] == "Goodbye."


@pytest.mark.parametrize(
    ("session", "response"),
    [
        ({"tools": [HOURS], "tool_choice": "none"}, {}),
        ({"tools": [HOURS]}, {"tool_choice": "none"}),
        ({"tools": [HOURS]}, {"tools": []}),
    ],
)
def test_tool_choice_and_tools_of_the_response_count(session: md.Event, response: md.Event) -> None:
    """`tool_choice: "none"`, of session or response, forbids calls; so do other tools."""
    script = md.scripted(Answer(say=("Hm.",), calls=(Call(name="opening_hours"),)))
    client = md.ModelClient(script)
    client.configure(**session)
    client.send("response.create", response=response)
    client.run(5)
    assert [item["type"] for item in done(client)["output"]] == ["message"]


def test_an_answer_that_follows_a_call_is_skipped_when_the_call_was_cut_off() -> None:
    """After an interrupted preamble the next turn gets the next answer, not the tool's."""
    script = md.scripted(
        Answer(say=("Let me look that up for you.",), calls=(Call(name="opening_hours"),)),
        Answer(after_call=True, say=("We are open.",)),
        Answer(say=("Never mind then.",)),
    )
    client = responding(script, tools=[HOURS])
    client.run(0.4)
    client.send("response.cancel")
    client.respond(5)
    assert done(client)["output"][0]["content"][0]["transcript"] == "Never mind then."


def test_a_failed_response_is_silent() -> None:
    failure = Failure(code="inference_rate_limit_exceeded", message="Slow down.", type="tokens")
    client = responding(md.scripted(Answer(status="failed", error=failure)), for_s=5)
    assert md.kinds(client.events) == [*md.CREATED, *md.DONE]
    (record,) = client.session.journal.responses
    assert (done(client)["status"], record.reason) == ("failed", "inference_rate_limit_exceeded")
    assert done(client)["status_details"] == {
        "type": "failed",
        "error": {"type": "tokens", "code": "inference_rate_limit_exceeded", "message": "Slow down."},
    }


def test_an_incomplete_response_breaks_off_in_the_middle() -> None:
    client = responding(
        md.scripted(
            Answer(
                say=("A sentence that the filter does not like at all.", "Never said."),
                status="incomplete",
                reason="content_filter",
                stop_after_ms=800,
            )
        )
    )
    client.run(5)
    assert done(client)["status_details"] == {"type": "incomplete", "reason": "content_filter"}
    (item,) = done(client)["output"]
    assert item["status"] == "incomplete"
    assert 6400 <= len(client.audio(item["id"])) <= 6400 + 3041


@pytest.mark.parametrize(
    ("after_s", "closing", "statuses"),
    [
        (0.1, [], []),
        (0.3, md.CLOSING, ["incomplete"]),
        (0.5, md.CLOSING, ["incomplete"]),
        # Between the two items: the first is closed, the second not yet begun.
        (1.24, [], ["completed"]),
        (1.4, md.CLOSING, ["completed", "incomplete"]),
        (2.25, md.CLOSING[3:], ["completed", "completed", "incomplete"]),
    ],
    ids=["thinking", "first delta", "first item", "between items", "second item", "call"],
)
def test_a_response_can_be_cancelled_at_every_stage(
    after_s: float, closing: list[str], statuses: list[str]
) -> None:
    said = "x" * 76  # 4.56 s of tone, 0.912 s at this pace
    client = responding(
        md.scripted(Answer(say=(said, said), calls=(Call(name="opening_hours"),))),
        tools=[HOURS],
        model="gpt-realtime",
    )
    client.run(after_s)
    events = client.send("response.cancel")
    call = ["response.function_call_arguments.done"] if len(statuses) == 3 else []
    assert md.kinds(events) == [*call, *closing, "response.done"]
    response = done(client)
    assert response["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert [item["status"] for item in response["output"]] == statuses
    assert md.kinds(client.run(10)) == ["rate_limits.updated"]


def test_a_cut_item_holds_what_was_said_of_it() -> None:
    client = responding(md.answers(" ".join(f"word{n}" for n in range(60))))
    client.run(0.6)
    client.send("response.cancel")
    said = "".join(e["delta"] for e in client.of("response.output_audio_transcript.delta"))
    assert 0 < len(said) < 300
    assert client.of("response.output_audio_transcript.done")[0]["transcript"] == said
    assert client.of("response.content_part.done")[0]["part"]["transcript"] == said
    assert done(client)["output"][0]["content"][0]["transcript"] == said


def test_cancelling_nothing_is_an_error() -> None:
    client = responding(md.answers("Good morning."))
    code, message, param = md.error_of(client.send("response.cancel", response_id="resp_other"))
    assert (code, param) == ("response_cancel_not_active", None)
    assert message == "Cancellation failed: no active response found"
    client.run(5)
    assert md.error_of(client.send("response.cancel"))[0] == "response_cancel_not_active"


def test_a_second_response_is_refused_by_the_id_of_the_first() -> None:
    client = responding(md.answers("Good morning.", "Good evening."))
    response_id = client.events[0]["response"]["id"]
    code, message, _ = md.error_of(client.send("response.create", event_id="again"))
    assert code == "conversation_already_has_active_response"
    assert message == (
        f"Conversation already has an active response in progress: {response_id}. "
        "Wait until the response is finished before creating a new one."
    )
    client.run(5)
    assert md.kinds(client.send("response.create")) == md.CREATED


def test_a_response_outside_the_conversation_runs_beside_it() -> None:
    script = md.scripted(Answer(say=("x" * 60,)), out_of_band=Answer(say=("A summary of the call.",)))
    client = responding(script)
    events = client.send(
        "response.create",
        response={"conversation": "none", "output_modalities": ["text"], "metadata": {"purpose": "summary"}},
    )
    response = events[0]["response"]
    assert response["conversation_id"] is None
    assert response["metadata"] == {"purpose": "summary"}
    client.run(0.5)
    client.append(md.quiet(400) + md.loud(200))
    assert done(client)["status"] == "cancelled"
    assert done(client)["id"] != response["id"]
    client.run(10)
    assert done(client)["id"] == response["id"]
    assert done(client)["status"] == "completed"
    (item,) = done(client)["output"]
    assert item["content"][0]["text"] == "A summary of the call."
    mirrored = {e["item"]["id"] for e in client.of("conversation.item.added")}
    assert item["id"] not in mirrored
    code, _, _ = md.error_of(client.send("conversation.item.retrieve", item_id=item["id"]))
    assert code == "item_retrieve_invalid_item_id"


def test_settings_of_one_response_are_checked_too() -> None:
    client = responding(md.answers("Good morning."), for_s=5)
    for response, code, param in (
        ({"voice": "alloy"}, "unknown_parameter", "response.voice"),
        ({"conversation": "all"}, "invalid_value", "response.conversation"),
        ({"audio": {"output": {"voice": "ash"}}}, "cannot_update_voice", None),
        ({"input": [{"type": "item_reference", "id": "item_x"}]}, "item_not_found", "response.input[0].id"),
        (
            {"metadata": dict.fromkeys("abcdefghijklmnopq", "v")},
            "object_above_max_properties",
            "response.metadata",
        ),
        ({"metadata": {"k" * 65: "v"}}, "string_above_max_length", "response.metadata"),
        ({"metadata": {"k": "v" * 513}}, "string_above_max_length", "response.metadata.k"),
    ):
        got_code, _, got_param = md.error_of(client.send("response.create", response=response))
        assert (got_code, got_param) == (code, param)


def test_usage_counts_audio_by_its_rates() -> None:
    """1 token per 100 ms of the caller, 1 per 50 ms of the assistant, cached from the second on."""
    speech = md.loud(2000)
    client = responding(md.scripted(Answer(say=(Say(text="Hi.", audio=speech),)), Answer(say=("Bye.",))))
    client.run(5)
    first = done(client)["usage"]
    assert first["output_token_details"] == {
        "text_tokens": 1 + 16,
        "audio_tokens": 40,
        "reasoning_tokens": 16,
    }
    assert first["input_token_details"]["audio_tokens"] == 0
    client.append(md.quiet(416) + md.loud(1024) + md.quiet(544))
    client.run(5)
    second = done(client)["usage"]["input_token_details"]
    # The caller's item: 300 ms of padding, 1024 of speech, 512 of silence.
    assert second["audio_tokens"] == 40 + 19
    assert second["cached_tokens"] % 64 == 0
    usage = done(client)["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens"] == second["text_tokens"] + second["audio_tokens"]


def test_a_cancelled_response_costs_what_was_made() -> None:
    """Usage comes with cancelled responses too, heard or not."""
    client = responding(md.scripted(Answer(say=(Say(text="Hi.", audio=md.loud(8000)),))))
    client.run(0.7)
    client.send("response.cancel")
    (item,) = done(client)["output"]
    sent_ms = len(client.audio(item["id"])) / 8
    tokens = done(client)["usage"]["output_token_details"]["audio_tokens"]
    assert tokens == -(-int(sent_ms) // 50)
    assert 0 < tokens < 160


def test_rate_limits_fall_with_use_and_recover() -> None:
    """What a response cost comes back within a minute."""
    client = responding(md.answers("One.", "Two.", "Three."), for_s=5)
    client.respond(70)
    client.respond(5)
    first, second, third = (
        event["rate_limits"][0]["remaining"] for event in client.of("rate_limits.updated")
    )
    costs = [run.usage["total_tokens"] for run in client.session.journal.responses]
    assert (first, second, third) == (200_000 - costs[0], 200_000 - costs[0] - costs[1], 200_000 - costs[2])
