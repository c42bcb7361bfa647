"""Who said what: when a turn is recorded, and with which words."""

from __future__ import annotations

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import CallerWordsCame, TurnEnded
from callbridge.call.limits import Limits
from callbridge.call.memory import TurnSaid
from callbridge.call.phases import Timer
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt
from playbook import Playbook, after, at
from rigs import PLAYED, Input, Output, Rig


def answered(text: str = "Yes.", audio_ms: int = 1000) -> Playbook:
    """The caller has asked something, at 3 to 3.5 s; at 4 s the agent says `text`, in the item `it`."""
    book = v.answering(v.greeted())
    book.rig.feed(v.item("answer", "it"), v.audio("answer", "it", audio_ms), v.words("answer", "it", text))
    return book


def heard(book: Playbook) -> Playbook:
    """The answer is over, and was heard to its end."""
    book.rig.feed(v.done("answer"))
    book.rig.now += 1.05
    book.rig.feed(PLAYED)
    return book


def turns(outputs: list[Output]) -> list[TurnEnded]:
    """The turns among what was recorded."""
    facts = [output.fact for output in outputs if isinstance(output, a.Note)]
    return [fact for fact in facts if isinstance(fact, TurnEnded)]


def test_a_whole_text_that_cannot_be_read_is_the_sum_of_its_pieces() -> None:
    book = v.answering(v.greeted())
    book.rig.feed(*v.says("answer", "it", 1000), rt.AnswerDelta("it", "From "), rt.AnswerDelta("it", "nine."))
    book.rig.feed(rt.AgentTranscript("it"))
    assert heard(book) >> v.caller_said("When?", "question") << v.recorded(TurnEnded, agent="From nine.")


@pytest.mark.parametrize(
    ("event", "caller"),
    [
        (v.caller_said(" Open? ", "question"), "Open?"),
        (rt.CallerTranscriptFailed("question"), "[unintelligible]"),
        (rt.CallerTranscript("question"), "[unintelligible]"),
    ],
    ids=["words", "no words", "words that cannot be read"],
)
def test_a_turn_is_recorded_once_when_the_callers_words_are_there_or_will_not_come(
    event: rt.CallerTranscript | rt.CallerTranscriptFailed, caller: str | None
) -> None:
    """They may come after the answer."""
    book = heard(answered())
    assert book >> v.caller_said("Somebody else's.", "other")
    assert book >> after(0.1, event) << a.Note(TurnEnded(2, caller, "Yes.", 500, interrupted=False))
    assert book >> event


def test_words_come_to_the_turn_they_belong_to_in_any_order() -> None:
    """The order between utterances is not promised."""
    book = heard(answered())
    book.rig.feed(
        v.speech_started("second"), v.speech_stopped("second"), v.committed("second"), v.created("two")
    )
    assert book >> v.done("two")
    assert (
        book
        >> v.caller_said("And Sunday?", "second")
        << (v.ask(), v.recorded(TurnEnded, turn=3, caller="And Sunday?", agent=""))
    )
    assert (
        book
        >> v.caller_said("Open?", "question")
        << v.recorded(TurnEnded, turn=2, caller="Open?", agent="Yes.")
    )


def test_words_that_come_after_the_record_are_told_to_the_next_session_where_they_were_spoken() -> None:
    """Also of a turn in which nothing else was said. No word is told twice."""
    book = heard(answered())
    book.rig.feed(v.speech_started("second"), v.speech_stopped("second"), v.committed("second"))
    book.rig.feed(v.speech_started("third"), v.speech_stopped("third"), v.committed("third"))
    assert book >> v.caller_said("Hello?", "third")
    *_, (_, why, outputs) = book.rig.wakes(until_s=11)
    assert (why, [turn.turn for turn in turns(outputs)]) == (Timer.TRANSCRIPT, [2, 3])
    assert book >> at(20, v.caller_said("And Sunday?", "second")) << came(3, "And Sunday?")
    assert book >> at(21, v.caller_said("Open?", "question")) << came(2, "Open?")
    assert book >> v.caller_said("Open?", "question")
    book.rig.feed(v.gone(e.Leg.MODEL), e.ModelConnected(), v.SESSION_CREATED)
    told = [
        getattr(getattr(output, "command", None), "item", None) for output in book.rig.feed(v.SESSION_UPDATED)
    ]
    assert [item.content[0].text for item in told if isinstance(item, commands.Message)][:-1] == [
        *("Hello.", "Open?", "Yes.", "And Sunday?", "Hello?")
    ]


def came(turn: int, words: str) -> a.Note:
    """Words of the caller come after the record of their turn."""
    return v.recorded(CallerWordsCame, turn=turn, caller=words)


def test_two_utterances_before_one_answer_are_one_turn_in_the_order_in_which_they_were_spoken() -> None:
    """Whichever is transcribed first; one that nobody can make out has its place, and is not waited for."""
    book = v.greeted()
    book.rig.feed(v.speech_started("one"), v.speech_stopped("one"))
    book.rig.feed(*(v.committed(item_id) for item_id in ("one", "two", "three")))
    book.rig.feed(*v.answers("answer", "it", 200), v.words("answer", "it", "Yes."))
    assert book >> v.caller_said("On Sunday?", "three") >> rt.CallerTranscriptFailed("two")
    book.rig.now += 0.25
    assert turns(book.rig.feed(PLAYED)) == []
    said = "Are you open? [unintelligible] On Sunday?"
    assert book >> v.caller_said("Are you open?", "one") << v.recorded(TurnEnded, caller=said)


def test_a_key_between_the_end_of_an_utterance_and_its_item_takes_no_words_away() -> None:
    """The words stay with the turn in which they were spoken."""
    book = v.greeted()
    book.rig.feed(v.speech_started("one"), v.speech_stopped("one"), v.key("4"), v.committed("one"))
    (turn,) = turns(book.rig.feed(v.caller_said("Are you open?", "one")))
    assert (turn.turn, turn.caller) == (2, "Are you open?")


def test_words_that_come_before_their_utterance_are_kept_for_it() -> None:
    """As many as one caller may have said, and no book of them."""
    limits = Limits(words_awaited_max=2, words_characters_max=5)
    book = v.greeted(limits=limits)
    book.rig.feed(*(v.caller_said(f"{name} and more", name) for name in ("one", "two", "three")))
    for name in ("one", "two", "three"):
        book.rig.feed(v.speech_started(name), v.speech_stopped(name), v.committed(name))
    assert [turn.caller for turn in turns(book.rig.feed(v.HANGS_UP))] == [None, "three"]


def test_words_of_a_session_that_is_lost_are_not_waited_for() -> None:
    """Only that session could have told them."""
    book = heard(answered())
    (turn,) = turns(book.rig.feed(v.gone(e.Leg.MODEL)))
    assert (turn.turn, turn.caller) == (2, None)


@pytest.mark.parametrize("is_warm", [True, False])
def test_words_of_an_earlier_stream_are_told_by_the_session_that_it_has_left(*, is_warm: bool) -> None:
    """Even before that is configured anew. Another session has never heard them: nothing waits then."""
    rig = Rig()
    said = TurnSaid(2, None, "Yes.", ("question",))
    rig.feed(v.start(), v.admitted(is_continued=True, memory=(said,)), e.ModelConnected(is_warm=is_warm))
    book = Playbook(rig)
    assert book >> v.caller_said("Open?", "question") << ((came(2, "Open?"),) if is_warm else ())
    rig.feed(v.HANGS_UP)
    assert rig.deadline is None


def test_silence_is_no_turn() -> None:
    assert v.ended(v.live()).turns == 0


@pytest.mark.parametrize(
    ("audio_ms", "cut_after_ms", "text"),
    [
        (1000, 999, "one two three four"),
        (1000, 930, "one two three …"),
        (1000, 501, "one two …"),
        (1000, 301, "one …"),
        (1000, 101, ""),
        (1000, 0, ""),
    ],
)
def test_a_cut_item_is_recorded_as_far_as_it_was_heard(audio_ms: int, cut_after_ms: int, text: str) -> None:
    """In proportion to the audio, never half a word, never more than was heard."""
    book = answered("one two three four", audio_ms)
    book.rig.feed(v.done("answer"), v.caller_said("Count!", "question"))
    book.rig.now += cut_after_ms / 1000
    (turn,) = turns(book.rig.feed(v.speech_started("wait")))
    assert (turn.agent, turn.interrupted) == (text, cut_after_ms < 940)


@pytest.mark.parametrize(
    "events",
    [(v.speech_started("wait"), v.HANGS_UP), (v.HANGS_UP,), (v.gone(e.Leg.PHONE),)],
    ids=["interrupted", "hung up", "phone lost"],
)
def test_a_response_that_is_stopped_says_nothing_of_what_it_had_not_begun(events: tuple[Input, ...]) -> None:
    """Words come ahead of their audio. Its end may be a long time coming, and the turn be recorded before."""
    book = answered("Heard.")
    book.rig.feed(
        v.item("answer", "unsaid"), v.words("answer", "unsaid", "Never said."), v.words("answer", "no", "No.")
    )
    book.rig.now += 1.05
    turn, *_ = turns(book.rig.feed(PLAYED, *events))
    assert turn.agent == "Heard."


@pytest.mark.parametrize("is_let_go", [False, True], ids=["session lost", "let go"])
def test_a_turn_waits_for_no_more_words_of_an_answer_that_will_not_end(*, is_let_go: bool) -> None:
    """The caller has interrupted it. What it says yet will not be heard, whether or not anybody says so."""
    book = answered("One two three four.", 2000)
    book.rig.now += 1.001
    book.rig.feed(v.caller_said("Count!", "question"))
    assert turns(book.rig.feed(v.speech_started("wait"))) == []
    if is_let_go:
        book.rig.now += Limits().muted_timeout_s
    (turn,) = turns(book.rig.feed(e.DeadlinePassed() if is_let_go else v.gone(e.Leg.MODEL)))
    assert (turn.caller, turn.agent) == ("Count!", "One two …")


def test_latencies_are_kept_for_the_calls_record() -> None:
    """Turns without both ends have none: the greeting, and one that nobody answered."""
    book = heard(answered())
    for wait_s in (0.1, 0.3):
        book.rig.now += 1
        book.rig.feed(
            v.speech_started("more"), v.speech_stopped("more"), v.created("reply"), v.item("reply", "it_2")
        )
        book.rig.now += wait_s
        book.rig.feed(v.audio("reply", "it_2", 400), v.done("reply"))
        book.rig.now += 0.45
        book.rig.feed(PLAYED)
    assert (v.ended(book).response_ms_p50, ended_ms(answered())) == (600, (500, 500))


def ended_ms(book: Playbook) -> tuple[int | None, int | None]:
    """The latencies in the record of a call, the middle and the worst."""
    record = v.ended(book)
    return record.response_ms_p50, record.response_ms_max


def test_audio_from_before_the_last_key_is_no_answer_to_the_keys() -> None:
    """It has no latency; a negative one would be nonsense in every statistic."""
    book = v.greeted()
    book.rig.feed(
        v.speech_started(),
        v.speech_stopped(),
        v.key("4"),
        v.created("answer"),
        v.item("answer", "it"),
        v.audio("answer", "it", 200),
    )
    book.rig.now += 0.5
    book.rig.feed(v.key("#"), v.done("answer"), e.DeadlinePassed())
    found = [turn for turn in turns(book.rig.feed(v.HANGS_UP)) if turn.caller == "[keys 4#]"]
    assert [turn.response_ms for turn in found] == [None]
