"""Faults of some connections and not of others: outages with an end, answers that go on, faults in words."""

from __future__ import annotations

import math

import pytest

from callbridge.simulators import voice_model as vm
from callbridge.simulators.voice_model.handshake import fault_refusal
from callbridge.simulators.voice_model.responses import ENDLESS_BYTES
from callbridge.simulators.voice_model.script import refuse_impossible
from model_driver import ModelClient, answers, kinds, loud, quiet, scripted


def refuse(**fields: object) -> vm.ConnectFault:
    return vm.ConnectFault(kind="refuse", **fields)  # type: ignore[arg-type]  # fields as a script has them


@pytest.mark.parametrize(
    ("fault", "hit"),
    [
        (refuse(), [1, 2, 3, 4, 5]),
        (refuse(nth=2), [2]),
        (refuse(first=3), [3, 4, 5]),
        (refuse(last=2), [1, 2]),
        (refuse(first=2, last=4), [2, 3, 4]),
    ],
)
def test_an_outage_is_some_connections_long(fault: vm.ConnectFault, hit: list[int]) -> None:
    """The same whether the script is asked or the outages of a server."""
    script, outages = vm.Script(connect=(fault,)), vm.Outages((fault,))
    assert [n for n in range(1, 6) if script.connect_fault(n)] == hit
    assert [n for n in range(1, 6) if outages.meet(n, 0.0)] == hit


def test_an_outage_is_some_seconds_long() -> None:
    """Counted from the first connection that it hit, and over for good."""
    fault = refuse(first=2, until_s=5)
    outages = vm.Outages((fault,))
    met = [outages.meet(number, now) for number, now in [(1, 0), (2, 100), (3, 104.9), (4, 105), (5, 106)]]
    assert met == [None, fault, fault, None, None]


def test_the_first_fault_that_fits_is_met() -> None:
    """After a short outage a longer one may go on."""
    short, long = refuse(status=503, until_s=1), refuse(status=429, last=3)
    outages = vm.Outages((short, long))
    assert [outages.meet(number, number * 0.6) for number in (1, 2, 3, 4)] == [short, short, long, None]


@pytest.mark.parametrize(
    ("fault", "code", "message"),
    [
        (refuse(status=429), "rate_limit_exceeded", "Rate limit reached"),
        (
            refuse(status=429, error_code="insufficient_quota", retry_after_s=2.5),
            "insufficient_quota",
            "exceeded your current",
        ),
        (refuse(status=403, error_code="x", message="No."), "x", "No."),
    ],
)
def test_a_refusal_says_why(fault: vm.ConnectFault, code: str, message: str) -> None:
    found = fault_refusal(fault)
    assert (found.status, found.code) == (fault.status, code)
    assert message in found.message
    assert (found.kind == code) == (code == "insufficient_quota"), "no credit is a type of its own"
    assert found.retry_after_s == fault.retry_after_s


class LaterClient(ModelClient):
    """Connected to a session that shares its prompter with others."""

    def __init__(self, script: vm.Script, prompter: vm.Prompter, connection: int = 1) -> None:
        super().__init__(script, connection=connection)
        self.session = vm.RealtimeSession(script, vm.SessionSettings(connection=connection), prompter)
        self._take(self.session.open(self.now))


def spoken(client: ModelClient) -> list[str]:
    """What was asked for and said, to the end."""
    client.respond(30)
    return [event["transcript"] for event in client.of("response.output_audio_transcript.done")]


def test_a_fault_in_an_answer_may_be_for_one_connection() -> None:
    fault = vm.Fault(kind="abort", at=500, connection=1)
    script = scripted(vm.Answer(say=("One two three.",), faults=(fault,)))
    first, second = ModelClient(script, connection=1), ModelClient(script, connection=2)
    assert spoken(first) == []
    assert first.outputs[-1][1] == vm.Abort()
    assert spoken(second) == ["One two three."]


def test_a_fault_of_the_script_may_be_for_one_connection() -> None:
    script = vm.Script(
        faults=(
            vm.Fault(kind="ignore", on="session.update", connection=2),
            vm.Fault(kind="expire", after_ms=500, connection=1),
        )
    )
    first, second = ModelClient(script, connection=1), ModelClient(script, connection=2)
    assert kinds(first.send("session.update", session={"type": "realtime"})) == ["session.updated"]
    assert second.send("session.update", session={"type": "realtime"}) == []
    first.run(1)
    second.run(1)
    assert (first.session.is_over, second.session.is_over) == (True, False)


def test_answers_may_go_on_over_connections() -> None:
    """With a shared prompter the next session begins where the last one stood; else at the beginning."""
    script = answers("One.", "Two.")
    shared = vm.Prompter(script)
    first = LaterClient(script, shared)
    assert spoken(first) == ["One."]
    assert spoken(LaterClient(script, shared, 2)) == ["Two."]
    assert spoken(ModelClient(script, connection=3)) == ["One."]


def test_answers_that_go_on_have_the_faults_of_their_connection() -> None:
    script = scripted(
        vm.Answer(say=("One.",), faults=(vm.Fault(kind="abort", connection=2),)),
        vm.Answer(say=("Two.",), faults=(vm.Fault(kind="abort", connection=2),)),
    )
    shared = vm.Prompter(script)
    assert spoken(LaterClient(script, shared)) == ["One."]
    second = LaterClient(script, shared, 2)
    assert spoken(second) == []
    assert second.session.is_over


def test_a_session_may_expire_early() -> None:
    client = ModelClient(scripted(vm.Answer(say=("x" * 99,), faults=(vm.Fault(kind="expire", at=300),))))
    client.respond(10)
    assert client.of("error")[-1]["error"]["code"] == "session_expired"
    assert client.outputs[-1][1] == vm.Close(1001)


def test_credit_may_run_out_in_an_answer_and_between() -> None:
    """As an error event that nothing follows by itself, and as the failure of a response."""
    broke = vm.Answer(status="failed", error=vm.OUT_OF_QUOTA)
    script = scripted(broke, faults=(vm.Fault(kind="quota", after_ms=100),))
    client = ModelClient(script)
    client.run(1)
    (told,) = client.of("error")
    assert (told["error"]["code"], told["error"]["type"]) == ("insufficient_quota", "insufficient_quota")
    assert not client.session.is_over
    client.respond(1)
    (done,) = client.of("response.done")
    error = done["response"]["status_details"]["error"]
    assert vm.Failure(code=error["code"], message=error["message"], type=error["type"]) == vm.OUT_OF_QUOTA


def test_an_event_may_have_fields_of_wrong_types() -> None:
    client = ModelClient(scripted(vm.Answer(say=("Hi.",), faults=(vm.Fault(kind="wrong_type"),))))
    client.respond(5)
    deltas = [event["delta"] for event in client.of("response.output_audio.delta")]
    assert not all(isinstance(delta, str) for delta in deltas)
    assert client.of("response.done")[-1]["response"]["status"] == "completed"


def test_a_silent_answer_is_created_and_never_comes() -> None:
    client = ModelClient(scripted(vm.Answer(silent=True), vm.Answer(say=("Yes.",))))
    client.respond(500)
    assert kinds(client.events)[1:] == ["response.created"]
    assert client.session.deadline is not None
    assert client.session.deadline < math.inf
    client.send("response.cancel")
    (cancelled,) = client.of("response.done")
    assert cancelled["response"]["status_details"]["reason"] == "client_cancelled"
    assert spoken(client) == ["Yes."]


def test_a_silent_answer_is_interrupted_by_speech() -> None:
    client = ModelClient.configured(scripted(vm.Answer(silent=True), vm.Answer(say=("Yes.",))))
    client.send("response.create")
    client.say(loud(600) + quiet(700))
    client.run(10)
    assert [done["response"]["status"] for done in client.of("response.done")] == ["cancelled", "completed"]


def test_an_absent_answer_is_not_even_created() -> None:
    script = scripted(vm.Answer(caller="Hello?", absent=True), vm.Answer(say=("Yes.",)))
    client = ModelClient.configured(script)
    client.say(loud(600) + quiet(700))
    client.run(60)
    assert kinds(client.events)[-1] == "conversation.item.done"
    assert client.of("error") == client.of("response.created") == []
    assert client.session.journal.notes[-1].text == "absent"
    client.say(loud(600) + quiet(700))
    client.run(10)
    assert [event["transcript"] for event in client.of("response.output_audio_transcript.done")] == ["Yes."]


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcm"])
def test_an_endless_answer_goes_on_until_it_is_cut(kind: str) -> None:
    said = (vm.Say(text="Well.", audio=loud(300)), vm.Say(text="And so on.", audio=loud(999) + quiet(1)))
    client = ModelClient(scripted(vm.Answer(say=said, endless=True, pace=10, after_ms=0)))
    rate = {"rate": 24000} if kind == "audio/pcm" else {}
    output = {"format": {"type": kind, **rate}}
    client.send("session.update", session={"type": "realtime", "audio": {"output": output}})
    client.respond(3)
    first, second = client.session.journal.items.values()
    assert (first.sent_bytes, first.status, second.status) == (2400, "completed", "in_progress")
    assert second.sent_bytes / 8000 == pytest.approx(30, abs=1.5)
    assert second.audio[:16000] == (loud(999) + quiet(1)) * 2
    client.send("response.cancel")
    assert client.of("response.done")[0]["response"]["status"] == "cancelled"


def test_an_endless_answer_ends_after_ten_minutes() -> None:
    client = ModelClient.configured(scripted(vm.Answer(say=("On and on.",), endless=True, pace=600)))
    client.respond(5)
    (item,) = client.session.journal.items.values()
    assert client.of("response.done")[0]["response"]["status"] == "completed"
    assert ENDLESS_BYTES <= item.sent_bytes <= ENDLESS_BYTES + 60_000


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (vm.Answer(say=("Hi.",), silent=True), "says something and is silent, absent or empty"),
        (vm.Answer(say=("Hi.",), absent=True), "says something and is silent, absent or empty"),
        (vm.Answer(recites=True, endless=True), "endless, but nothing is said"),
        (vm.Answer(), "says nothing"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(answer: vm.Answer, complaint: str) -> None:
    with pytest.raises(vm.ScriptError, match=f"answer 1: {complaint}"):
        refuse_impossible(scripted(answer))
