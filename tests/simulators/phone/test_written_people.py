"""People as they are written on a command line: read strictly, and refused with words that help."""

from __future__ import annotations

import pytest

from callbridge.simulators.phone import Answers, Moment
from callbridge.simulators.phone.written_people import MANNERS, written_people, written_person


def test_each_manner_is_a_person() -> None:
    assert set(MANNERS) == {"takes", "busy", "no-answer", "mailbox", "declines", "unreachable", "hangs-up"}
    address, takes = written_person("+14155550100=takes")
    assert (address, takes.answers, takes.presses) == ("+14155550100", Answers.PICKS_UP, ("1",))
    assert written_person("client:bob=mailbox@4.5")[1].after_s == 4.5
    assert written_person("+14155550100=hangs-up")[1].leaves is Moment.BRIEFING
    pressing = written_person("sip:a@b.example;transport=tls=presses 5#@3")
    assert pressing[0] == "sip:a@b.example;transport=tls"
    assert (pressing[1].presses, pressing[1].after_s) == (("5#",), 3.0)


def test_of_several_at_one_address_each_answers_one_ring() -> None:
    people = written_people(["+14155550100=busy", "+14155550101=takes", "+14155550100=takes"])
    assert [one.answers for one in people["+14155550100"]] == [Answers.BUSY, Answers.PICKS_UP]
    assert len(people["+14155550101"]) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("+14155550100", "write ADDRESS=MANNER, as +14155550100=takes"),
        ("4155550100=takes", "is no number such as"),
        ("bob=takes", "is no number such as"),
        ("+14155550100=", "MANNER is one of takes, busy"),
        ("+14155550100=dances", "'dances' is not what a person does"),
        ("+14155550100=Takes", "is not what a person does"),
        ("+14155550100=takes 5", "only 'presses' has keys"),
        ("+14155550100=presses", "write which keys"),
        ("+14155550100=presses x", "write which keys"),
        ("+14155550100=takes@soon", "is not what a person does"),
        ("+14155550100=@", "is not what a person does"),
    ],
)
def test_what_is_not_written_so_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=text[:4].replace("+", r"\+")) as refused:
        written_person(text)
    assert words in str(refused.value)
    assert repr(text) in str(refused.value)
