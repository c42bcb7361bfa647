"""How one session comes about: which trouble is tried again, when, and what it takes to be ready."""

from __future__ import annotations

import pytest

from callbridge.call.codes import FATAL_CODES, HARMLESS_CODES
from callbridge.call.facts import Fact, ModelTrouble, Noted
from callbridge.call.limits import Limits
from callbridge.call.session import Opening, Redial, Step, Trouble
from callbridge.wire import realtime as rt
from callbridge.wire import realtime_commands as commands
from rigs import PLAN
from vocabulary import SESSION_UPDATED, SESSION_UPDATED_WRONG

FIRST, SECOND = "the first model", "the second model"
JITTER = 0.5
"""250 ms, and half of the spread."""


def redial(second: str | None = SECOND, *, spread: float = 0.5) -> Redial:
    return Redial(Limits(), FIRST, second, spread)


# --- Tried again or not -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "delay_s"),
    [
        (Trouble("timeout"), JITTER),
        (Trouble("HTTP 503", 503), JITTER),
        (Trouble("HTTP 503", 503, retry_after_s=1.5), 1.5),
        (Trouble("HTTP 429", 429, "rate_limit_exceeded", 2.0), 2.0),
        (Trouble("HTTP 429", 429, "rate_limit_exceeded", 2.1), None),
        (Trouble("HTTP 429", 429, "rate_limit_exceeded"), JITTER),
        (Trouble("HTTP 503", 503, retry_after_s=60), None),
        (Trouble("HTTP 401", 401), None),
        (Trouble("HTTP 403", 403), None),
        (Trouble("our own fault", is_our_fault=True), None),
        *((Trouble(code, 429, code), None) for code in sorted(FATAL_CODES - {"model_not_found"})),
        (Trouble("HTTP 404", 404), 0.0),
        (Trouble("gone", code="model_not_found"), 0.0),
    ],
)
def test_when_a_session_is_tried_for_again(trouble: Trouble, delay_s: float | None) -> None:
    """Nothing: there is no second try."""
    assert redial().delay_s(trouble) == delay_s


def test_there_is_one_second_try() -> None:
    """A third would let the caller wait for longer than the fallback."""
    tries = redial()
    assert tries.delay_s(Trouble("timeout")) is not None
    assert tries.delay_s(Trouble("timeout")) is None


@pytest.mark.parametrize(("spread", "delay_s"), [(0.0, 0.25), (0.5, 0.5), (1.0, 0.75)])
def test_calls_that_fail_together_try_again_apart(spread: float, delay_s: float) -> None:
    assert redial(spread=spread).delay_s(Trouble("timeout")) == delay_s


def test_the_second_model_is_tried_once_and_has_its_own_two_tries() -> None:
    tries = redial()
    assert tries.delay_s(Trouble("timeout")) == JITTER
    assert tries.delay_s(Trouble("HTTP 404", 404)) == 0.0
    assert tries.model == SECOND
    assert tries.delay_s(Trouble("timeout")) == JITTER
    assert tries.delay_s(Trouble("HTTP 404", 404)) is None


@pytest.mark.parametrize("second", [None, FIRST])
def test_without_another_model_an_unknown_one_is_the_end(second: str | None) -> None:
    assert redial(second).delay_s(Trouble("HTTP 404", 404)) is None


@pytest.mark.parametrize(
    ("trouble", "is_fatal", "is_rate_limit"),
    [
        (Trouble("busy", 429), False, True),
        (Trouble("busy", code="inference_rate_limit_exceeded"), False, True),
        (Trouble("broke", 429, "insufficient_quota"), True, False),
        (Trouble("lost"), False, False),
    ],
)
def test_the_fact_of_a_trouble_tells_who_has_to_act(
    trouble: Trouble, is_fatal: bool, is_rate_limit: bool
) -> None:
    """An empty account is no rate limit, though the status is the same."""
    fact = trouble.as_fact("dial")
    assert fact == ModelTrouble("dial", trouble.why, trouble.status, trouble.code, is_fatal, is_rate_limit)


# --- From socket to readiness -------------------------------------------------------------------------


class Told:
    """An opening, with all that it has sent and recorded."""

    def __init__(self, *, is_retold: bool) -> None:
        self.sent: list[commands.AnyCommand] = []
        self.facts: list[Fact] = []
        self.opening = Opening(PLAN, self._send, self.facts.append, is_retold)

    def _send(self, command: commands.AnyCommand) -> str:
        self.sent.append(command)
        return f"id_{len(self.sent)}"

    def error(
        self, code: str | None, *, answers: str | None, kind: str = "invalid_request_error"
    ) -> Trouble | None:
        return self.opening.error(rt.ErrorDetail(kind, code, "It went wrong.", None, answers))


NOTE = commands.Message("i1", "system", (commands.InputText("note"),))


def test_a_session_with_nothing_to_be_told_is_ready_when_it_is_confirmed() -> None:
    told = Told(is_retold=False)
    told.opening.begin()
    assert told.sent == [commands.UpdateSession(session=PLAN.session)]
    assert told.opening.updated(SESSION_UPDATED) is None
    assert told.opening.step is Step.READY


def test_a_session_answers_nobody_until_it_was_told_what_was_said() -> None:
    """Two confirmations: the second is of all that was told."""
    told = Told(is_retold=True)
    told.opening.begin()
    assert told.sent == [commands.UpdateSession(session=PLAN.silent_session)]
    told.opening.updated(SESSION_UPDATED)
    assert told.opening.step is Step.CONFIGURED
    told.opening.retell([NOTE])
    assert told.sent[1:] == [commands.CreateItem(item=NOTE), commands.UpdateSession(session=PLAN.session)]
    told.opening.updated(SESSION_UPDATED)
    assert (told.opening.step, told.opening.items) == (Step.READY, 1)


def test_a_greeting_that_comes_twice_configures_once() -> None:
    told = Told(is_retold=False)
    told.opening.begin()
    told.opening.begin()
    assert len(told.sent) == 1


def test_a_confirmation_of_nothing_makes_nobody_ready() -> None:
    """It comes before anything was asked for."""
    told = Told(is_retold=False)
    assert told.opening.updated(SESSION_UPDATED) is None
    assert told.opening.step is Step.DIALLED


def test_a_session_is_told_only_when_it_stands() -> None:
    with pytest.raises(AssertionError, match="told in step dialled"):
        Told(is_retold=True).opening.retell([NOTE])


def test_anything_but_mulaw_is_our_fault() -> None:
    trouble = Told(is_retold=False).opening.updated(SESSION_UPDATED_WRONG)
    assert trouble is not None
    assert trouble.is_fatal


def retelling() -> Told:
    """`id_1` and `id_3` configure, `id_2` tells an item."""
    told = Told(is_retold=True)
    told.opening.begin()
    told.opening.updated(SESSION_UPDATED)
    told.opening.retell([NOTE])
    return told


def test_an_item_that_is_refused_is_no_reason_to_have_no_session() -> None:
    told = retelling()
    assert told.error("invalid_value", answers="id_2") is None
    assert [fact.event for fact in told.facts if isinstance(fact, Noted)] == ["not_retold"]


def test_a_configuration_that_is_refused_after_the_telling_is_our_fault() -> None:
    trouble = retelling().error("invalid_value", answers="id_3")
    assert trouble is not None
    assert trouble.is_our_fault


@pytest.mark.parametrize("answers", [None, "id_1"])
def test_a_fault_of_the_server_is_tried_again(answers: str | None) -> None:
    """Only a refused request is our own fault."""
    told = Told(is_retold=False)
    told.opening.begin()
    trouble = told.error("server_error", answers=answers, kind="server_error")
    assert trouble is not None
    assert not trouble.is_fatal


@pytest.mark.parametrize("code", sorted(HARMLESS_CODES))
def test_a_late_answer_to_the_stream_before_is_no_refusal(code: str) -> None:
    """A warm session was cleaned when the phone was lost: a cancel or truncate may have come too late."""
    told = Told(is_retold=False)
    told.opening.begin()
    assert told.error(code, answers="cb_17") is None


def test_a_refused_transcription_stays_silent_while_it_must() -> None:
    """What is left out does not let the session answer too early."""
    told = Told(is_retold=True)
    told.opening.begin()
    refusal = rt.ErrorDetail(
        "invalid_request_error", "invalid_value", "", "audio.input.transcription", "id_1"
    )
    assert told.opening.error(refusal) is None
    assert told.sent[-1] == commands.UpdateSession(session=PLAN.without_transcription().silent_session)
