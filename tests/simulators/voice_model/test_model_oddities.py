"""Odd events of the simulated voice model: nulls, odd values, fields too many or missing, events left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import model_driver as md
from callbridge.simulators import voice_model as vm

UTTERANCE = md.quiet(400) + md.loud(600) + md.quiet(560)


def odd(*oddities: vm.Oddity, **settings: Any) -> md.ModelClient:
    """A client that was greeted, then asked something and was answered."""
    script = md.answers("Good morning.", "Yes.")
    script = vm.Script(answers=script.answers, oddities=oddities)
    vm.refuse_impossible(script)
    client = md.ModelClient(script, **settings)
    client.configure()
    client.respond(3)
    client.say(UTTERANCE)
    client.run(3)
    return client


def test_a_value_may_be_odd() -> None:
    """Only on the wire: the journal has what is true."""
    client = odd(vm.Oddity(event="response.done", nth=1, set={"response.usage.total_tokens": 12.5}))
    first, second = (event["response"]["usage"]["total_tokens"] for event in client.of("response.done"))
    assert (first, type(second)) == (12.5, int)
    assert client.session.journal.responses[0].usage["total_tokens"] != 12.5
    assert "odd response.done" in [n.text for n in client.session.journal.notes if n.kind == "fault"]


def test_a_field_may_be_null_or_missing() -> None:
    client = odd(
        vm.Oddity(event="input_audio_buffer.speech_started", null=("audio_start_ms",)),
        vm.Oddity(event="input_audio_buffer.speech_stopped", remove=("audio_end_ms",)),
        vm.Oddity(event="response.output_audio.delta", null=("content_index",)),
    )
    assert client.of("input_audio_buffer.speech_started")[0]["audio_start_ms"] is None
    assert "audio_end_ms" not in client.of("input_audio_buffer.speech_stopped")[0]
    assert {event["content_index"] for event in client.of("response.output_audio.delta")} == {None}


def test_a_list_may_be_long_and_its_entries_nameless() -> None:
    client = odd(
        vm.Oddity(event="rate_limits.updated", repeat={"rate_limits": 51}, null=("rate_limits.*.name",)),
        vm.Oddity(event="rate_limits.updated", nth=2, remove=("rate_limits.*",)),
        vm.Oddity(event="response.done", remove=("response.output.0",)),
    )
    first, second = (event["rate_limits"] for event in client.of("rate_limits.updated"))
    assert (len(first), {limit["name"] for limit in first}) == (51, {None})
    assert second == []
    assert [event["response"]["output"] for event in client.of("response.done")] == [[], []]


def test_fields_that_nobody_knows_may_come() -> None:
    client = odd(
        vm.Oddity(
            event="conversation.item.done",
            where={"item.role": "assistant"},
            set={"item.mood": {"is": ["calm"]}, "weather": None},
        )
    )
    told = {event["item"]["role"]: event for event in client.of("conversation.item.done")}
    assert (told["assistant"]["item"]["mood"], told["assistant"]["weather"]) == ({"is": ["calm"]}, None)
    assert "mood" not in told["user"]["item"]


ITEM_EVENTS = (
    "response.output_item.added",
    "conversation.item.added",
    "conversation.item.done",
    "response.output_item.done",
)


@pytest.mark.parametrize("only", ["conversation.item.done", "response.output_item.added"])
def test_an_item_may_be_named_by_one_event_alone(only: str) -> None:
    oddities = [
        vm.Oddity(event=kind, where={"item.role": "assistant"}, left_out=True)  # type: ignore[arg-type]
        for kind in ITEM_EVENTS
        if kind != only
    ]
    client = odd(*oddities)
    by_assistant = [e["type"] for e in client.events if e.get("item", {}).get("role") == "assistant"]
    assert by_assistant == [only] * 2
    assert len(client.of("conversation.item.added")) == 1, "the caller's"


def test_an_oddity_may_be_for_one_connection() -> None:
    left_out = vm.Oddity(event="response.created", left_out=True, connection=2)
    assert len(odd(left_out, connection=1).of("response.created")) == 2
    assert odd(left_out, connection=2).of("response.created") == []


def test_a_place_that_an_event_does_not_have_is_noted() -> None:
    client = odd(vm.Oddity(event="response.created", nth=1, null=("response.usage.total_tokens",)))
    notes = [note.text for note in client.session.journal.notes if note.kind == "left_out"]
    assert notes == ["response.created has no response.usage.total_tokens that could be odd"]


def test_oddities_can_be_written_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(
        """
        [[odd]]
        event = "response.done"
        nth = 2
        where = {"response.status" = "completed"}
        set = {"response.usage.total_tokens" = 12.5}
        null = ["response.metadata"]
        [[odd]]
        event = "rate_limits.updated"
        repeat = {rate_limits = 51}
        null = ["rate_limits.*.name"]
        remove = ["rate_limits.0"]
        [[odd]]
        event = "response.output_item.added"
        left_out = true
        connection = 1
        """,
        encoding="utf-8",
    )
    assert vm.load_script(path).oddities == (
        vm.Oddity(
            event="response.done",
            nth=2,
            where={"response.status": "completed"},
            set={"response.usage.total_tokens": 12.5},
            null=("response.metadata",),
        ),
        vm.Oddity(
            event="rate_limits.updated",
            repeat={"rate_limits": 51},
            null=("rate_limits.*.name",),
            remove=("rate_limits.0",),
        ),
        vm.Oddity(event="response.output_item.added", left_out=True, connection=1),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("event = 'response.done'", "odd response.done: changes nothing"),
        ("event = 'response.doom'\nleft_out = true", "at `$.odd[0].event`"),
        ("event = 'response.done'\nleft_out = true\nnull = ['response']", "left out has no fields"),
        ("event = 'response.done'\nnull = ['response..usage']", "'response..usage' is no place"),
        ("event = 'response.done'\nnull = ['']", "'' is no place"),
        ("event = 'response.done'\nnull = ['a']\nset = {a = 1}", "'a' is changed twice"),
        ("event = 'response.done'\nrepeat = {a = 0}", "at `$.odd[0].repeat[...]`"),
        ("event = 'response.done'\nleave_out = true", "what may stand there: event, where, nth"),
    ],
)
def test_an_oddity_that_is_none_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "odd.toml"
    path.write_text(f"[[odd]]\n{text}", encoding="utf-8")
    with pytest.raises(vm.ScriptError) as caught:
        vm.load_script(path)
    assert complaint in str(caught.value)
