"""The fallback's menu as a decision: which keys a caller is offered, and that it comes to an end."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callbridge.agents.office_hours import OfficeHours
from callbridge.switchboard.fallback_menu import MenuEntry, MenuQuestion, Otherwise, Round, offered
from callbridge.switchboard.office import Office

HUMAN = "+14155550123"
BY_DAY, ALWAYS = OfficeHours.parse("9:00-17:00"), OfficeHours.parse("0:00-24:00")
MENU = (
    MenuEntry("1", "sales", dial=HUMAN),
    MenuEntry("2", "a message", voicemail=True),
    MenuEntry("3", "a text", say="Hello.", hours=BY_DAY),
    MenuEntry("4", "emergencies", dial="+14155550124", hours=ALWAYS),
)
NOON, NIGHT = 12 * 3600.0, 23 * 3600.0


@pytest.mark.parametrize(
    ("now", "hours", "refused", "keys"),
    [
        (NOON, BY_DAY, "", "1234"),
        (NIGHT, BY_DAY, "", "24"),
        (NIGHT, None, "", "124"),
        (NOON, BY_DAY, HUMAN, "234"),
    ],
)
def test_what_a_caller_is_offered(now: float, hours: OfficeHours | None, refused: str, keys: str) -> None:
    """A human without hours keeps those of the office, all else is there at any time."""
    assert offered(MENU, Office(hours, "UTC"), now, lambda number: number != refused) == keys


def test_the_clock_is_that_of_the_office() -> None:
    assert Office(BY_DAY, "UTC").is_open(NOON)
    assert not Office(BY_DAY, "Asia/Tokyo").is_open(NOON)
    assert Office(None, "Asia/Tokyo").is_open(NOON)


@given(st.sampled_from(Round), st.text("0123456789", min_size=1, max_size=5), st.booleans())
def test_an_address_says_all(menu_round: Round, keys: str, rings_human: bool) -> None:
    question = MenuQuestion(menu_round, keys, rings_human)
    assert MenuQuestion.read(dict(parse_qsl(question.query))) == question


@given(
    st.dictionaries(st.sampled_from(["round", "keys", "human"]), st.text(max_size=12)), st.text(max_size=3)
)
def test_any_address_and_any_keys_lead_somewhere(query: dict[str, str], digits: str) -> None:
    """A key counts that was offered, and is still in the menu; never more than one, and never none."""
    question = MenuQuestion.read(query)
    chosen = question.chosen(digits, MENU)
    assert chosen is None or (chosen.key == digits and digits in question.keys)
    assert question.otherwise in Otherwise


def test_nobody_goes_round_in_it() -> None:
    """Whatever is pressed, the menu is heard three times at the most: first, again, and after a text."""
    after_a_wrong_key = {Round.FIRST: Round.AGAIN}
    assert {
        each for each in Round if MenuQuestion(each, "1", rings_human=True).otherwise is Otherwise.MENU
    } == (after_a_wrong_key.keys())
    assert MenuQuestion(Round.AGAIN, "1", rings_human=True).otherwise is Otherwise.LADDER
    assert MenuQuestion(Round.LAST, "1", rings_human=True).otherwise is Otherwise.GOODBYE
