"""What the agent owes: what is asked for first, and which response pays for what."""

from __future__ import annotations

from callbridge.call.owing import Owing
from callbridge.call.responses import Response
from callbridge.wire.realtime_commands import ResponseOptions

GREETING = ResponseOptions(instructions="Say hello.")
FAREWELL = ResponseOptions(tool_choice="none")


def words(text: str) -> ResponseOptions:
    return ResponseOptions(instructions=text, tool_choice="none")


def everything() -> Owing:
    owing = Owing()
    owing.greet(GREETING)
    owing.answer = owing.farewell = True
    owing.words = "Time is up."
    return owing


def test_nothing_is_owed_at_first() -> None:
    owing = Owing()
    assert not owing
    assert not owing.may_ask([])


def test_the_order_in_which_things_are_said() -> None:
    """The greeting, the goodbye that is meant, what was asked, what we have to add."""
    owing = everything()
    asked = []
    for settle in ("greeting", "farewell", "answer", "words"):
        asked.append(owing.ask([]))
        setattr(owing, settle, "" if settle == "words" else False)
    assert asked == [GREETING, FAREWELL, None, words("Time is up.")]
    assert not owing


def test_an_ordinary_response_pays_for_all_but_the_words() -> None:
    owing = everything()
    owing.ask([])
    response = Response("r")
    owing.begins(response, is_ours=True)
    assert response.is_greeting
    assert (owing.greeting, owing.answer, owing.farewell) == (False, False, False)
    assert owing.words == "Time is up."


def test_words_pay_for_themselves_alone() -> None:
    owing = Owing()
    owing.words = "Time is up."
    owing.ask([])
    owing.answer = True
    response = Response("r")
    owing.begins(response, is_ours=True)
    assert (response.words, owing.words, owing.answer) == ("Time is up.", "", True)


def test_newer_words_outlive_the_response_that_says_the_older_ones() -> None:
    owing = Owing()
    owing.words = "Soon."
    owing.ask([])
    owing.words = "Now."
    owing.begins(Response("r"), is_ours=True)
    assert owing.words == "Now."


def test_the_servers_own_response_says_no_words_of_ours() -> None:
    owing = Owing()
    owing.words = "Soon."
    owing.ask([])
    response = Response("r")
    owing.begins(response, is_ours=False)
    assert (response.words, owing.words) == ("", "Soon.")


def test_a_result_waits_for_its_siblings() -> None:
    owing, cause = Owing(), Response("cause")
    owing.add_item("item", cause)
    assert not owing.may_ask([cause])
    assert owing.may_ask([])


def test_an_item_is_paid_when_it_was_there_or_will_never_be() -> None:
    owing = Owing()
    owing.add_item("there", None)
    owing.add_item("crossing", None)
    owing.item_added("there")
    owing.begins(Response("one"), is_ours=True)
    assert owing
    owing.begins(Response("two"), is_ours=True)
    assert not owing


def test_what_was_not_said_is_owed_again() -> None:
    for response, asked in (
        (Response("r", is_greeting=True), GREETING),
        (Response("r", words="Now."), words("Now.")),
        (Response("r"), None),
    ):
        owing = Owing()
        owing.greet(GREETING)
        owing.greeting = False
        owing.owe_again(response)
        assert owing.may_ask([])
        assert owing.ask([]) == asked


def test_another_session_owes_one_answer_to_all() -> None:
    """It was told everything; a goodbye that was wished for is its own affair."""
    owing = Owing()
    owing.farewell = True
    owing.add_item("item", Response("gone"))
    owing.session_lost()
    assert (owing.answer, owing.farewell, owing.ask([])) == (True, False, None)


def test_a_greeting_that_is_owed_is_answer_enough() -> None:
    owing = everything()
    owing.session_lost()
    assert (owing.greeting, owing.answer) == (True, False)


def test_nobody_is_owed_anything_by_nobody() -> None:
    owing = everything()
    owing.add_item("item", None)
    owing.forget()
    assert not owing
