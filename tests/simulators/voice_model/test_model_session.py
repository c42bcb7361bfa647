"""The session of the simulated voice model as a whole: errors, faults, stalls, and its end."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.simulators.voice_model import (
    Abort,
    Answer,
    Close,
    ConnectFault,
    Fault,
    RealtimeSession,
    Script,
    Send,
    SendBinary,
    Stall,
)
from callbridge.simulators.voice_model.faults import FaultKind
from model_driver import DONE, ModelClient, answers, error_of, kinds, ladder, loud, quiet, scripted


@pytest.mark.parametrize(
    ("message", "code", "text", "param"),
    [
        ("not json", "invalid_json", "Invalid event: failed to parse JSON value.", None),
        ('{"type": "response.create"', "invalid_json", "failed to parse JSON value.", None),
        ("[]", "invalid_event", "Invalid event: expected a JSON object.", None),
        ("{}", "missing_required_parameter", "Missing required parameter: 'type'.", "type"),
        ('{"type": 7}', "invalid_type", "but got an integer instead", "type"),
        ('{"type": "nope"}', "invalid_value", "Invalid value: 'nope'. Supported values", "type"),
        (
            '{"type": "transcription_session.update"}',
            "invalid_value",
            "'session.update', 'session.close'",
            "type",
        ),
        # WebRTC and SIP only.
        ('{"type": "output_audio_buffer.clear"}', "invalid_value", "Supported values are", "type"),
        ('{"type": "response.cancel", "why": "x"}', "unknown_parameter", "parameter: 'why'.", "why"),
        ('{"type": "session.close"}', "invalid_event", "is for translation sessions.", "type"),
        ('{"type": "session.update"}', "missing_required_parameter", "'session'", "session"),
        ('{"type": "input_audio_buffer.append"}', "missing_required_parameter", "'audio'.", "audio"),
        ('{"type": "response.cancel", "event_id": 5}', "invalid_type", "event_id", "event_id"),
    ],
)
def test_a_message_that_is_no_event_is_answered_with_an_error(
    message: str, code: str, text: str, param: str | None
) -> None:
    """And the session goes on."""
    client = ModelClient()
    got_code, got_text, got_param = error_of(client.send_raw(message))
    assert (got_code, got_param) == (code, param)
    assert text in got_text
    assert kinds(client.send("response.create"))[0] == "response.created"


def test_binary_frames_are_refused() -> None:
    code, text, _ = error_of(ModelClient().send_raw(b"\x00\x01"))
    assert code == "invalid_event"
    assert text == "Expected a text WebSocket message; binary frames are not supported."


@pytest.mark.parametrize("kind", ["response.cancel", "nope", "conversation.item.delete", "response.create"])
def test_an_error_names_the_event_that_caused_it(kind: str) -> None:
    client = ModelClient()
    (event,) = client.send(kind, event_id="mine", bogus=1)
    assert event["error"]["event_id"] == "mine"
    assert event["error"]["type"] == "invalid_request_error"
    (refusal,) = client.session.journal.refusals
    assert (refusal.event_type, refusal.event_id) == (kind, "mine")


@given(st.one_of(st.text(), st.binary(), st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
).map(json.dumps)))  # fmt: skip
def test_nothing_that_a_client_sends_breaks_the_session(message: str | bytes) -> None:
    client = ModelClient()
    assert [event["type"] for event in client.send_raw(message)] == ["error"]


@given(
    kind=st.sampled_from(
        ["session.update", "conversation.item.create", "response.create", "conversation.item.truncate"]
    ),
    name=st.sampled_from(["session", "item", "response", "item_id"]),
    value=st.recursive(
        st.none() | st.integers() | st.text(max_size=3) | st.just("message"),
        lambda part: (
            st.lists(part, max_size=2)
            | st.dictionaries(
                st.sampled_from(["type", "role", "content", "audio", "input", "format", "tools"]), part
            )
        ),
        max_leaves=8,
    ),
)
def test_no_shape_of_an_event_breaks_the_session(kind: str, name: str, value: object) -> None:
    client = ModelClient()
    client.send(kind, **{name: value})
    client.run(10)
    assert not client.session.is_over


def test_the_journal_tells_what_happened() -> None:
    client = ModelClient.configured(scripted(Answer(say=("Hi.",)), Answer(say=("Yes.",), caller="Is it")))
    client.respond(2)
    client.say(quiet(416) + loud(608) + quiet(544))
    client.run(2)
    journal = client.session.journal
    assert journal.session_id.startswith("sess_")
    assert [event.type for event in journal.received] == ["session.update", "response.create"]
    assert [response.status for response in journal.responses] == ["completed", "completed"]
    assert [item.role for item in journal.items.values()] == ["assistant", "user", "assistant"]
    started, stopped = journal.speech_started[0], journal.speech_stopped[0]
    assert started.item_id == stopped.item_id
    assert (started.audio_ms, stopped.audio_ms) == (116, 1536)
    # The third loud window was complete after 512 ms of audio, in the frame that ends at 520.
    assert started.at == pytest.approx(102.52)
    answer = ladder("response_created agent_said response_done")
    heard = ladder("connected configured"), ladder("speech_started speech_stopped")
    assert [note.kind for note in journal.notes] == [*heard[0], *answer, *heard[1], *answer]
    first = journal.responses[0]
    assert first.first_audio_at == pytest.approx(100.3)
    assert first.done_at is not None
    assert first.usage["total_tokens"] > 0


def test_a_session_expires() -> None:
    client = ModelClient()
    assert client.run(3599.9) == []
    (event,) = client.run(0.2)
    assert event["error"]["code"] == "session_expired"
    assert event["error"]["message"] == "Your session hit the maximum duration of 60 minutes."
    assert client.outputs[-1][1] == Close(1001)
    assert client.session.is_over
    assert client.session.deadline is None
    assert client.send("response.create") == []


def test_a_client_that_leaves_ends_the_session() -> None:
    client = ModelClient(answers("x" * 100))
    client.send("response.create")
    client.session.client_gone("client closed with 1000", client.now)
    assert client.session.deadline is None
    assert client.run(10) == []
    assert client.session.journal.ended == "client closed with 1000"


@pytest.mark.parametrize(
    ("fault", "codes", "outputs"),
    [
        (ConnectFault(kind="silent"), [], []),
        (ConnectFault(kind="close", code=1013, reason="later"), [], [Close(1013, "later")]),
        (ConnectFault(kind="reject", code=3000, reason="a.b"), ["invalid_api_key"], [Close(3000, "a.b")]),
        (
            ConnectFault(kind="reject", code=4004),
            ["model_not_found"],
            [Close(4004, "invalid_request_error.model_not_found")],
        ),
        (
            ConnectFault(kind="reject", code=4000),
            ["invalid_model"],
            [Close(4000, "invalid_request_error.invalid_model")],
        ),
        (
            ConnectFault(kind="reject", code=3000, error_code=""),
            [None],
            [Close(3000, "invalid_request_error")],
        ),
    ],
    ids=["silent", "closed at once", "wrong key", "model not found", "model of another API", "no key"],
)
def test_a_connection_that_is_none(
    fault: ConnectFault, codes: list[str | None], outputs: list[Close]
) -> None:
    client = ModelClient(Script(connect=(fault,)))
    assert [event["error"]["code"] for event in client.events] == codes
    assert [output for _, output in client.outputs if not isinstance(output, Send)] == outputs
    assert client.session.deadline is None
    assert client.send("response.create") == []


def faulty(fault: Fault) -> ModelClient:
    """A client whose first answer has this fault; run to the end."""
    client = ModelClient.configured(scripted(Answer(say=("x" * 100,), faults=(fault,))))
    client.respond(10)
    return client


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1013])
def test_the_socket_may_close_in_the_middle_of_an_answer(code: int) -> None:
    client = faulty(Fault(kind="close", code=code, reason="oops", at=1000))
    assert client.outputs[-1][1] == Close(code, "oops")
    assert client.session.is_over
    sent = len(client.audio(client.of("response.output_item.added")[0]["item"]["id"]))
    assert 8000 <= sent <= 8000 + 3041
    assert not client.of("response.done")


@pytest.mark.parametrize("fault", [Fault(kind="abort"), Fault(kind="close", code=1006)])
def test_the_connection_may_be_cut(fault: Fault) -> None:
    """1006 is not a code that can be sent: TCP is cut."""
    client = faulty(fault)
    assert client.outputs[-1][1] == Abort()
    assert client.session.journal.ended == "connection cut"
    assert kinds(client.events)[2:] == ["response.created"]


def test_garbage_binary_and_unknown_events_come_between() -> None:
    odd = (Fault(kind="garbage", at=500), Fault(kind="binary", at=600))
    more = (Fault(kind="unknown_event", at="end"), Fault(kind="error", at="end", error_code="x"))
    client = ModelClient(scripted(Answer(say=("x" * 100,), faults=odd + more)))
    client.respond(10)
    texts = [output.text for _, output in client.outputs if isinstance(output, Send)]
    with pytest.raises(json.JSONDecodeError):
        json.loads(min(texts, key=len))
    assert [o for _, o in client.outputs if isinstance(o, SendBinary)]
    assert client.of("response.output_scent.delta")
    assert client.of("error")[0]["error"]["code"] == "x"
    assert kinds(client.events)[-2:] == DONE
    assert client.of("response.done")[0]["response"]["status"] == "completed"


def test_a_delta_may_come_twice() -> None:
    client = faulty(Fault(kind="duplicate", at=500))
    deltas = [event["delta"] for event in client.of("response.output_audio.delta")]
    repeated = [first for first, second in pairwise(deltas) if first == second]
    # A square of tone may repeat by chance only if it were cut alike: sizes are odd.
    assert len(repeated) == 1


def test_a_frame_may_be_oversized() -> None:
    client = faulty(Fault(kind="oversized", size_bytes=5_000_000))
    assert max(len(o.text) for _, o in client.outputs if isinstance(o, Send)) > 5_000_000


def test_a_stall_delays_everything_and_then_catches_up() -> None:
    """Nothing for its length; then what was due comes in one burst, what was sent is answered."""
    client = ModelClient(scripted(Answer(say=("x" * 100,), faults=(Fault(kind="stall", seconds=3, at=400),))))
    client.respond(0.6)
    stalled_from = client.session.journal.notes[-1].at
    assert client.run(2) == []
    assert client.send("session.update", session={"type": "realtime"}) == []
    assert client.session.deadline == pytest.approx(stalled_from + 3)
    events = client.run(1)
    assert client.times[-len(events)] == pytest.approx(stalled_from + 3)
    assert kinds(events)[-3:] == ["response.done", "session.updated", "rate_limits.updated"]


@pytest.mark.parametrize(("kind", "told"), [("stall", False), ("deaf", True)])
def test_an_endless_stall_has_no_deadline(kind: FaultKind, told: bool) -> None:
    """Nothing comes any more; a deaf server's socket is told to read no more either."""
    client = faulty(Fault(kind=kind, at=400))
    assert client.session.deadline is None
    assert client.send("response.cancel") == []
    assert (client.outputs[-1][1] == Stall()) == told


def test_a_fault_may_take_the_place_of_an_answer_to_a_command() -> None:
    fault = Fault(kind="error", on="session.update", nth=2, error_code="server_error")
    lost = Fault(kind="ignore", on="response.create")
    client = ModelClient(Script(faults=(fault, lost)))
    client.configure(instructions="One.")
    (event,) = client.send("session.update", session={"type": "realtime", "instructions": "Two."})
    assert event["error"]["code"] == "server_error"
    (event,) = client.send("session.update", session={"type": "realtime"})
    assert event["session"]["instructions"] == "One."
    assert client.send("response.create") == []
    assert kinds(client.send("response.create"))[0] == "response.created"


def test_a_fault_may_come_at_a_time() -> None:
    client = ModelClient(Script(faults=(Fault(kind="close", code=1001, after_ms=1500),)))
    client.run(1.4)
    assert not client.session.is_over
    client.run(0.2)
    at, output = client.outputs[-1]
    assert output == Close(1001)
    assert at == pytest.approx(101.5)


def test_waking_late_loses_nothing() -> None:
    """A busy machine gets the same events, only later."""
    punctual, late = ModelClient(answers("x" * 100)), RealtimeSession(answers("x" * 100))
    punctual.send("response.create")
    punctual.run(20)
    late.open(100.0)
    texts = [o.text for o in late.receive('{"type": "response.create"}', 100.0) if isinstance(o, Send)]
    now = 100.0
    while late.deadline is not None and late.deadline < 120:
        now = math.ceil(late.deadline / 0.7) * 0.7
        texts += [o.text for o in late.wake(now) if isinstance(o, Send)]
    types = [json.loads(text)["type"] for text in texts]
    assert types == [event["type"] for event in punctual.events[1:]]


def test_waking_early_does_nothing() -> None:
    client = ModelClient(answers("Hi."))
    client.send("response.create")
    assert client.session.wake(client.now) == []
    assert client.session.deadline == pytest.approx(client.now + 0.3)
