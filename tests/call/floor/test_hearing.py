"""A model that is deaf, dead or taken in by a noise: the line and the clock say so, and it is asked."""

from __future__ import annotations

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.facts import Noted
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase, Timer
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime_commands as commands
from playbook import Playbook, after, at, deadline
from rigs import PLAYED, AudioToModel, AudioToPhone, make_plan

LIMITS = Limits()
COMMIT = a.SendToModel(commands.CommitInput())
ASKED = v.any_warning("model_asked")
WORDS = ([b"\x12\x92" * 80] * 12 + [b"\xfd" * 160] * 3) * 40
"""12 s of somebody who speaks."""


def speaks(book: Playbook, seconds: float) -> list[object]:
    """The caller speaks for so long, and the model says nothing of it. Answers what left."""
    outputs: list[object] = []
    for payload in WORDS[: round(seconds / 0.02)]:
        book.rig.now += 0.02
        outputs += book.rig.feed(ms.Media(ms.MediaChunk(payload)))
        outputs += [output for _, _, done in book.rig.wakes(book.rig.seconds) for output in done]
    return [output for output in outputs if not isinstance(output, a.Note)]


def quiet_line(limits: Limits = v.PATIENT) -> Playbook:
    """A greeted call whose phone sends only what the test says."""
    return v.greeted(limits=limits, has_line=False)


def test_a_caller_whom_the_model_does_not_hear_is_noticed_after_a_second_and_a_half() -> None:
    """It is asked: what was said becomes a turn, and an answer is asked for."""
    book = quiet_line()
    sent = [output.command for output in speaks(book, 2.5) if isinstance(output, a.SendToModel)]
    assert [type(command) for command in sent] == [commands.CommitInput, commands.CreateResponse]
    assert 4.5 <= book.rig.seconds <= 5.6
    assert book >> v.committed() >> v.created("answer") >> v.says("answer", "it", 200) << AudioToPhone(200)
    assert book.rig.phase is Phase.LIVE


def test_a_session_that_answers_nothing_is_replaced_and_the_next_one_gets_what_was_said() -> None:
    """Three seconds after the caller began."""
    book = quiet_line()
    outputs = speaks(book, 3.6)
    assert a.DropModel() in outputs
    assert isinstance(outputs[-1], a.DialModel)
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    said = book.rig.feed(v.SESSION_UPDATED)
    audio_ms = sum(getattr(output, "duration_ms", 0) for output in said)
    assert 3000 <= audio_ms <= 3600


def says_a_word(book: Playbook, seconds: float = 0.5) -> list[type]:
    """Half a second of the caller, and the silence behind it. Answers what the model is told, audio aside."""
    outputs = speaks(book, seconds)
    for _ in range(30):
        book.rig.now += 0.02
        outputs += book.rig.feed(v.frame())
    return [type(output.command) for output in outputs if isinstance(output, a.SendToModel)]


def test_a_word_that_the_model_does_not_hear_is_answered_when_it_turns_out_to_be_one() -> None:
    """The model is not asked to answer a door. It makes a turn of it, and the transcript says whether to."""
    book = quiet_line()
    assert says_a_word(book) == [commands.CommitInput]
    assert book >> v.committed("word") >> after(0.4, v.caller_said("Hello?", "word")) << v.ask()
    book.rig.feed(*v.answers("answer", "it", 200))
    book.rig.now += 0.5
    book.rig.feed(PLAYED)
    # Now it is known that the model is deaf, and no street is on the line.
    assert says_a_word(book) == [commands.CommitInput]


def test_a_door_is_answered_by_nobody_and_the_next_one_is_not_asked_about() -> None:
    book = quiet_line()
    assert says_a_word(book) == [commands.CommitInput]
    assert book >> v.committed("door") >> after(0.4, v.caller_said("", "door"))
    assert says_a_word(book) == []
    assert book.rig.phase is Phase.LIVE


@pytest.mark.parametrize("seconds", [0.5, 1.4, 2.0])
def test_a_word_into_a_dead_session_is_said_again_to_the_next_one(seconds: float) -> None:
    """1.5 s after it, or after the first 1.5 s of it."""
    book = quiet_line()
    assert says_a_word(book, seconds)[0] is commands.CommitInput
    stopped_at = book.rig.seconds
    assert book >> deadline(Timer.SIGN) << v.replaces(why="the model gives no sign of life")
    assert book.rig.seconds <= stopped_at + LIMITS.sign_timeout_s
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED)
    said = book.rig.feed(v.SESSION_UPDATED)
    assert sum(getattr(output, "duration_ms", 0) for output in said) >= seconds * 1000


def test_the_end_of_speech_is_seen_though_a_response_has_begun_in_it() -> None:
    """The greeting is born while they speak, and plays on; then the model says nothing more."""
    book = v.live(make_plan(is_greeting_interruptible=False), has_line=False)
    book.rig.feed(v.speech_started(), v.created("greeting"), *v.says("greeting", "hello", 500))
    speaks(book, 1)
    outputs: list[object] = []
    for _ in range(100):
        book.rig.now += 0.02
        outputs += book.rig.feed(v.frame())
        outputs += [output for _, _, done in book.rig.wakes(book.rig.seconds) for output in done]
    notes = [output.fact for output in outputs if isinstance(output, a.Note)]
    assert "speech_ended_unseen" in [note.event for note in notes if isinstance(note, Noted)]


def test_a_session_that_answers_anything_stays_and_a_street_is_asked_about_once() -> None:
    """Whatever it makes of the noise: an empty buffer, or a response without a word."""
    book = quiet_line()
    sent = [output.command for output in speaks(book, 2.5) if isinstance(output, a.SendToModel)]
    assert commands.CommitInput in map(type, sent)
    assert book >> v.error("input_audio_buffer_commit_empty") >> v.created("r") >> v.done("r")
    assert [output for output in speaks(book, 10) if isinstance(output, a.SendToModel)] == []
    assert book.rig.phase is Phase.LIVE


def test_the_agents_own_voice_on_the_line_is_nobody() -> None:
    """A telephone on loudspeaker brings it back."""
    book = quiet_line()
    book.rig.feed(*v.answers("more", "long", 8000))
    assert [output for output in speaks(book, 6) if isinstance(output, a.SendToModel)] == []


@pytest.mark.parametrize("echo_ms", range(2900, 4400, 100))
def test_the_echo_of_the_agents_last_word_is_nobody_either(echo_ms: int) -> None:
    """It comes back for as long as the way to the phone and back takes."""
    book = quiet_line()
    book.rig.feed(*v.answers("more", "long", echo_ms - 300))
    outputs = speaks(book, echo_ms / 1000)
    assert [output for output in outputs if isinstance(output, a.SendToModel)] == []


def test_keys_that_are_heard_on_the_line_are_no_speech() -> None:
    """Who is pressing them is not talked into."""
    book = quiet_line()
    for _ in range(8):
        book.rig.feed(v.key("1"))
        assert [output for output in speaks(book, 0.3) if isinstance(output, a.SendToModel)] == []


def test_a_session_that_has_just_been_sent_what_was_held_has_its_time_to_notice() -> None:
    """The caller was loud all the while: another second and a half is the model's."""
    book = quiet_line()
    book.rig.feed(v.gone(e.Leg.MODEL))
    speaks(book, 2.2)
    book.rig.feed(e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED)
    assert [output for output in speaks(book, 1) if isinstance(output, a.SendToModel)] == []


def test_a_command_that_nothing_follows_is_followed_by_a_question() -> None:
    """A half-open socket takes everything and says nothing: 2 s, and 1.5 s to show a sign of life."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.done("answer")
    book.rig.now += 0.1
    asked_at = book.rig.seconds
    book.rig.feed(v.tool_finished("call_1"))
    assert book >> deadline(Timer.UNANSWERED) << (ASKED, COMMIT)
    assert book.rig.seconds == asked_at + LIMITS.command_timeout_s
    assert (
        book
        >> deadline(Timer.CLIP)
        << v.clip()
        >> deadline(Timer.SIGN)
        << v.replaces(why="the model gives no sign of life")
    )
    assert book.rig.seconds == asked_at + LIMITS.command_timeout_s + LIMITS.sign_timeout_s


def test_a_sign_of_life_is_enough() -> None:
    book = v.answering(v.greeted(limits=v.PATIENT))
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.done("answer")
    book.rig.now += 0.1
    book.rig.feed(v.tool_finished("call_1"))
    assert book >> deadline(Timer.UNANSWERED) << (ASKED, COMMIT)
    assert book >> after(0.2, v.error("input_audio_buffer_commit_empty"))
    assert book >> after(1, v.created("result")) >> v.says("result", "it", 200) << AudioToPhone(200)
    assert book.rig.phase is Phase.LIVE


def test_what_was_said_into_a_model_that_is_asked_whether_it_is_there_is_answered() -> None:
    """The commit makes an item of it, and nobody has asked for an answer: its words say that one is due."""
    book = v.greeted()
    assert book >> v.agent_says() << v.ask_saying() >> deadline(Timer.UNANSWERED) << (ASKED, COMMIT)
    assert book >> v.created("words") >> v.committed("unseen") >> v.item_added("unseen")
    assert book >> v.caller_said("Hello?", "unseen")
    assert book >> v.says("words", "it", 100) << AudioToPhone(100) >> v.done("words") << v.ask()


def test_a_slow_model_does_not_cut_the_caller_short() -> None:
    """A commit in the middle of their words would end their turn."""
    book = v.answering(v.greeted(limits=v.PATIENT))
    assert book >> v.tool_call("answer", "call_1") << v.run_tool("call_1") >> v.done("answer")
    assert book >> after(0.1, v.speech_started("more"))
    assert book >> after(0.1, v.tool_finished("call_1")) << v.tool_result("cb_item_1", "call_1")
    assert book >> after(LIMITS.command_timeout_s + 1, e.DeadlinePassed())
    assert book >> v.speech_stopped("more") >> v.created("it")


def test_an_utterance_without_end_is_answered() -> None:
    """A street that the model takes for a voice: after 45 s it is told that the caller has ended."""
    book = v.greeted(limits=v.PATIENT)
    assert book >> v.speech_started()
    assert book >> deadline(Timer.UTTERANCE) << (ASKED, COMMIT, v.ask())
    assert book.rig.seconds == 3 + LIMITS.utterance_max_s
    assert book >> v.committed() >> v.created("answer") >> v.says("answer", "it", 200) << AudioToPhone(200)


def test_a_session_that_hears_no_end_for_the_second_time_is_replaced() -> None:
    """The next one may hear better."""
    book = v.greeted(limits=v.PATIENT)
    assert book >> v.speech_started() >> deadline(Timer.UTTERANCE) << (ASKED, COMMIT, v.ask())
    assert book >> v.answers("answer", "it", 200) << AudioToPhone(200)
    assert book >> after(1, v.speech_started("again"))
    book.rig.now += LIMITS.utterance_max_s
    outputs = book.rig.feed(e.DeadlinePassed())
    assert [type(output) for output in outputs if isinstance(output, a.DropModel | a.DialModel)] == [
        a.DropModel,
        a.DialModel,
    ]


@pytest.mark.parametrize("late", [False, True], ids=["confirmed", "refused"])
def test_a_model_that_answers_by_itself_after_all_is_not_asked_twice(*, late: bool) -> None:
    """What a commit does in the middle of detected speech is nobody's promise."""
    book = v.greeted(limits=v.PATIENT)
    assert book >> v.speech_started() >> deadline(Timer.UTTERANCE) << (ASKED, COMMIT, v.ask())
    assert book >> v.speech_stopped() >> v.created("its_own")
    if late:
        assert book >> v.error("conversation_already_has_active_response", answers="cb_4")
    assert book >> v.says("its_own", "it", 200) << AudioToPhone(200) >> v.done("its_own")
    assert book.rig.phase is Phase.LIVE


def test_an_end_that_the_model_notices_after_it_was_asked_is_not_answered_twice() -> None:
    """Our answer has begun, and refuses the server's own: it answers the same words."""
    book = v.greeted(limits=v.PATIENT)
    assert book >> v.speech_started() >> deadline(Timer.UTTERANCE) << (ASKED, COMMIT, v.ask())
    book.rig.feed(v.committed(), v.created("answer"), v.speech_stopped("silence"))
    assert book >> v.error("conversation_already_has_active_response")
    assert book >> v.says("answer", "it", 200) << AudioToPhone(200) >> v.done("answer")
    assert book >> after(0.25, PLAYED)
    book.rig.wakes(book.rig.seconds + 3)
    assert v.rests(book)


def test_where_a_voice_hardly_stands_out_of_the_noise_the_line_says_nothing() -> None:
    """The model hears them all the same: they are not cut short after three seconds."""
    book = v.greeted(limits=v.PATIENT, has_line=False)
    assert book >> v.speech_started()
    for _ in range(500):
        book.rig.now += 0.02
        assert book.rig.feed(v.frame()) == [AudioToModel(20)]
    assert book >> v.speech_stopped() >> v.created("answer")


def test_a_soft_voice_is_heard_by_its_own_line() -> None:
    """-48 dB on a quiet line: no clip into their words, and no other session."""
    book = v.greeted(limits=v.PATIENT, has_line=False)
    for _ in range(250):
        book.rig.now += 0.02
        book.rig.feed(v.frame())
    assert book >> v.speech_started()
    soft = ([b"\x6e\xee" * 80] * 12 + [b"\xff" * 160] * 3) * 20
    for payload in soft:
        book.rig.now += 0.02
        assert book.rig.feed(ms.Media(ms.MediaChunk(payload))) == [AudioToModel(20)]
    assert book >> at(book.rig.seconds + 0.4, v.speech_stopped())


@pytest.mark.parametrize("is_answered", [False, True], ids=["dead", "answering"])
def test_a_yes_that_the_model_hears_no_end_of_has_ended_two_seconds_later(*, is_answered: bool) -> None:
    """Too short a word for the line to judge by at once; nor does an older answer end the looking."""
    book = quiet_line()
    assert book >> v.speech_started()
    if is_answered:
        assert book >> v.created("older") << v.cancel("older") >> v.done("older", "cancelled")
    commits: list[object] = []
    for payload in WORDS[:12] + [b"\xfd" * 160] * 140:
        book.rig.now += 0.02
        book.rig.feed(ms.Media(ms.MediaChunk(payload)))
        woken = [output for _, _, outputs in book.rig.wakes(book.rig.seconds) for output in outputs]
        sent = [output.command for output in woken if isinstance(output, a.SendToModel)]
        commits = [command for command in sent if isinstance(command, commands.CommitInput)]
        if commits:
            break
    assert commits
    assert 3.24 + LIMITS.quiet_after_word_s <= book.rig.seconds < 3.24 + LIMITS.clip_after_s
