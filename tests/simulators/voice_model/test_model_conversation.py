"""Items on the simulated voice model: create, retrieve, truncate, delete, and what is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callbridge.simulators.voice_model import Answer, Call, Item, Say
from model_driver import Event, ModelClient, error_of, kinds, loud, scripted

USER: Event = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
OUTPUT: Event = {"type": "function_call_output", "call_id": "call_nobody", "output": "{}"}
APPROVAL: Event = {"type": "mcp_approval_response", "approval_request_id": "x", "approve": True}


def message(role: str, kind: str, **fields: object) -> Event:
    return {"type": "message", "role": role, "content": [{"type": kind, **fields}]}


def spoken(audio: bytes, *, until: float = 30.0) -> tuple[ModelClient, Item]:
    """A client to which the model has spoken this, and the item."""
    client = ModelClient.configured(scripted(Answer(say=(Say(text="Words.", audio=audio),))))
    client.respond(until)
    (item,) = client.session.journal.items.values()
    return client, item


def truncate(client: ModelClient, item_id: str, end_ms: int, index: int = 0) -> list[Event]:
    return client.send(
        "conversation.item.truncate", item_id=item_id, content_index=index, audio_end_ms=end_ms
    )


@pytest.mark.parametrize(
    "item",
    [
        USER,
        message("system", "input_text", text="The caller is known."),
        message("assistant", "output_text", text="How can I help?"),
        message("user", "input_image", image_url="data:image/png;base64,AAAA", detail="low"),
        {"type": "function_call", "name": "hours", "arguments": "{}", "call_id": "call_1"},
    ],
    ids=["user", "system", "assistant", "image", "call"],
)
def test_a_created_item_is_added_and_done(item: Event) -> None:
    client = ModelClient()
    client.send("conversation.item.create", item={**USER, "id": "first"})
    events = client.send("conversation.item.create", item=item)
    assert kinds(events) == ["conversation.item.added", "conversation.item.done"]
    for event in events:
        assert event["previous_item_id"] == "first"
        assert event["item"]["id"].startswith("item_")
        assert event["item"]["status"] == "completed"
        assert {name: event["item"][name] for name in item} == item


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        (message("assistant", "output_audio", audio="AAAA"), "invalid_value", "item.content[0].type"),
        (message("assistant", "input_text", text="Hi"), "invalid_value", "item.content[0].type"),
        (message("system", "output_text", text="Hi"), "invalid_value", "item.content[0].type"),
        (message("user", "output_text", text="Hi"), "invalid_value", "item.content[0].type"),
        (message("user", "text", text="Hi"), "invalid_value", "item.content[0].type"),
        (message("caller", "input_text", text="Hi"), "invalid_value", "item.role"),
        (message("user", "input_text"), "missing_required_parameter", "item.content[0].text"),
        (message("user", "input_audio", audio="%%"), "invalid_value", "item.content[0].audio"),
        ({"type": "message", "role": "user"}, "missing_required_parameter", "item.content"),
        ({"role": "user", "content": []}, "missing_required_parameter", "item.type"),
        ({**USER, "id": "x" * 33}, "string_above_max_length", "item.id"),
        ({**USER, "name": "Ada"}, "unknown_parameter", "item.name"),
        (OUTPUT, "invalid_tool_call_id", None),
        (OUTPUT | {"output": {"open": True}}, "invalid_type", "item.output"),
        ({"type": "function_call", "name": "hours", "arguments": {}}, "invalid_type", "item.arguments"),
        (APPROVAL, "item_not_found", None),
        ({"type": "reasoning"}, "invalid_value", "item.type"),
    ],
)
def test_a_wrong_item_is_refused(item: Event, code: str, param: str | None) -> None:
    client = ModelClient()
    got_code, _, got_param = error_of(client.send("conversation.item.create", item=item))
    assert (got_code, got_param) == (code, param)
    assert client.session.journal.items == {}


def test_an_id_can_be_used_once() -> None:
    """`item_create_duplicate_item_id`; free again after the item was deleted."""
    client = ModelClient()
    client.send("conversation.item.create", item={**USER, "id": "mine"})
    code, text, param = error_of(client.send("conversation.item.create", item={**USER, "id": "mine"}))
    assert (code, param) == ("item_create_duplicate_item_id", None)
    assert text == "Error adding item: an item with id 'mine' already exists."
    client.send("conversation.item.delete", item_id="mine")
    events = client.send("conversation.item.create", item={**USER, "id": "mine"})
    assert kinds(events) == ["conversation.item.added", "conversation.item.done"]


def test_items_go_where_previous_item_id_says() -> None:
    """Absent is the end, `root` the front, an id right after it; an unknown id is refused."""
    client = ModelClient()
    for item_id, previous, expected in (
        ("a", None, None),
        ("b", None, "a"),
        ("c", "a", "a"),
        ("d", "root", None),
        ("e", None, "b"),
    ):
        fields = {} if previous is None else {"previous_item_id": previous}
        events = client.send("conversation.item.create", item={**USER, "id": item_id}, **fields)
        assert events[0]["previous_item_id"] == expected
    code, _, param = error_of(client.send("conversation.item.create", item=USER, previous_item_id="nobody"))
    assert (code, param) == ("item_not_found", "previous_item_id")


def test_audio_of_the_user_is_kept() -> None:
    client = ModelClient.configured()
    audio = base64.b64encode(loud(300)).decode()
    client.send(
        "conversation.item.create",
        item={**message("user", "input_audio", audio=audio, transcript="Hi"), "id": "mine"},
    )
    assert client.session.journal.items["mine"].audio == loud(300)
    (event,) = client.send("conversation.item.retrieve", item_id="mine")
    assert event["item"]["content"] == [{"type": "input_audio", "transcript": "Hi", "audio": audio}]


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 40_000), end_ms=st.integers(-50, 6000))
def test_truncate_is_bounded_by_the_audio(size: int, end_ms: int) -> None:
    client, item = spoken(loud(5000)[:size])
    length_ms = size // 8
    events = truncate(client, item.id, end_ms)
    if 0 <= end_ms <= length_ms:
        assert [event["type"] for event in events] == ["conversation.item.truncated"]
        assert events[0]["audio_end_ms"] == item.truncated_at_ms == end_ms
        assert client.session.journal.truncations[0].audio_end_ms == end_ms
        return
    code, text, param = error_of(events)
    assert item.truncated_at_ms is None
    if end_ms < 0:
        assert (code, param) == ("integer_below_min_value", "audio_end_ms")
    else:
        assert (code, param) == ("invalid_value", "audio_end_ms")
        assert text == f"Audio content of {length_ms}ms is already shorter than {end_ms}ms"


def test_a_truncation_to_nothing_may_be_refused() -> None:
    """Reports of the live API differ: a script may have it either way."""
    script = scripted(Answer(say=("Words.",)), truncate_at_zero="refused")
    client = ModelClient.configured(script)
    client.respond(3)
    (item,) = client.session.journal.items.values()
    code, text, param = error_of(truncate(client, item.id, 0))
    assert (code, text, param) == (None, "Only model output audio messages can be truncated", None)


def test_truncate_forgets_the_transcript_and_the_audio_behind_the_cut() -> None:
    """The item that is retrieved ends at the cut and has no words, while the journal knows both."""
    client, item = spoken(loud(3000))
    truncate(client, item.id, 1234)
    (event,) = client.send("conversation.item.retrieve", item_id=item.id)
    (part,) = event["item"]["content"]
    assert "transcript" not in part
    assert base64.b64decode(part["audio"]) == loud(3000)[: 1234 * 8]
    assert (item.transcript, item.sent_bytes, item.truncated_at_ms) == ("Words.", 24_000, 1234)


def test_truncate_can_only_shorten() -> None:
    client, item = spoken(loud(3000))
    assert truncate(client, item.id, 1000)[0]["type"] == "conversation.item.truncated"
    text = error_of(truncate(client, item.id, 1001))[1]
    assert text == "Audio content of 1000ms is already shorter than 1001ms"
    assert truncate(client, item.id, 999)[0]["type"] == "conversation.item.truncated"


def test_an_item_that_is_still_spoken_ends_where_it_was_sent_to() -> None:
    """The bound is what has gone out, not what the model was going to say."""
    client, item = spoken(loud(8000), until=0.8)
    sent_ms = len(client.audio(item.id)) // 8
    assert 0 < sent_ms < 8000
    text = error_of(truncate(client, item.id, sent_ms + 1))[1]
    assert text == f"Audio content of {sent_ms}ms is already shorter than {sent_ms + 1}ms"
    assert truncate(client, item.id, sent_ms)[0]["type"] == "conversation.item.truncated"
    client.run(10)
    assert item.content == [{"type": "output_audio"}]


def test_truncate_refuses_what_is_no_speech_of_the_model() -> None:
    """Unknown ids, deleted items, user items, text items, calls, and other content parts."""
    script = scripted(Answer(say=(Say(text="Hi.", audio=loud(1000)),), calls=(Call(name="hours"),)))
    client = ModelClient(script)
    client.configure(tools=[{"type": "function", "name": "hours"}])
    client.respond(5)
    speech, call = client.session.journal.items.values()
    client.send("conversation.item.create", item={**USER, "id": "user"})
    text = message("assistant", "output_text", text="Hello.")
    client.send("conversation.item.create", item={**text, "id": "text"})
    for item_id in ("user", "text", call.id):
        code, words, param = error_of(truncate(client, item_id, 100))
        assert (code, words, param) == (None, "Only model output audio messages can be truncated", None)
    code, words, param = error_of(truncate(client, "item_nobody", 100))
    assert code == "item_truncate_invalid_item_id"
    assert words == "Error truncating item: the item with id 'item_nobody' does not exist."
    assert error_of(truncate(client, speech.id, 100, index=1))[2] == "content_index"
    client.send("conversation.item.delete", item_id=speech.id)
    assert error_of(truncate(client, speech.id, 100))[0] == "item_truncate_invalid_item_id"


def test_truncate_needs_all_its_fields() -> None:
    client, item = spoken(loud(1000))
    whole = {"item_id": item.id, "content_index": 0, "audio_end_ms": 100}
    for name in whole:
        rest = {key: value for key, value in whole.items() if key != name}
        events = client.send("conversation.item.truncate", **rest)
        assert error_of(events)[::2] == ("missing_required_parameter", name)
    events = client.send("conversation.item.truncate", **whole | {"audio_end_ms": 99.5})
    assert error_of(events)[::2] == ("invalid_type", "audio_end_ms")


def test_a_deleted_item_is_gone_and_the_chain_is_closed() -> None:
    """Neither retrieve nor delete finds it again; the next item follows the one before it."""
    client = ModelClient()
    for item_id in ("a", "b"):
        client.send("conversation.item.create", item={**USER, "id": item_id})
    (event,) = client.send("conversation.item.delete", item_id="b")
    assert (event["type"], event["item_id"]) == ("conversation.item.deleted", "b")
    events = client.send("conversation.item.create", item={**USER, "id": "c"})
    assert events[0]["previous_item_id"] == "a"
    code, text, _ = error_of(client.send("conversation.item.delete", item_id="b"))
    assert code == "item_delete_invalid_item_id"
    assert text == "Error deleting item: the item with id 'b' does not exist."
    code, text, _ = error_of(client.send("conversation.item.retrieve", item_id="b"))
    assert code == "item_retrieve_invalid_item_id"
    assert text == "Error retrieving item: the item with id 'b' does not exist."
    assert client.session.journal.items["b"].deleted


def test_an_item_that_is_deleted_while_it_is_spoken_is_not_mirrored_any_more() -> None:
    """The response ends its ladder, the conversation says nothing of an item that it lost."""
    client, item = spoken(loud(4000), until=0.5)
    client.send("conversation.item.delete", item_id=item.id)
    events = client.run(5)
    assert "response.output_item.done" in kinds(events)
    assert "conversation.item.done" not in kinds(events)
