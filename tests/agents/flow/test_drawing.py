"""A flow as a drawing."""

from __future__ import annotations

from pydantic import BaseModel

from callbridge import Flow, Step, answered, asked, captured, confidence, failed, key


class Booking(BaseModel):
    """An appointment."""

    day: str


def find_slot(day: str) -> str:
    """Looks for a free slot."""
    return day


CLINIC = Flow(
    Step(
        "welcome",
        "Find out what they want.",
        go=[asked("book", "the caller wants an appointment; soon"), key("2", to="hours")],
    ),
    Step("hours", go=[confidence("intent", at_least=0.7, to="book")]),
    Step(
        "book",
        tools=[find_slot],
        captures=Booking,
        go=[captured(to="done"), failed(3, to="end"), answered(find_slot, to="hours", when=lambda r: not r)],
    ),
    Step("done", "Say goodbye.", ends=True),
    Step("end", "Tell them that a person calls back.", ends=True),
    anywhere=[key("0", to="end")],
)

DRAWING = """\
stateDiagram-v2
    book: book
    book: captures booking
    state "end" as end_
    [*] --> welcome
    welcome --> book: asked, the caller wants an appointment, soon
    welcome --> hours: key 2
    welcome --> end_: key 0
    hours --> book: model sure of intent, at least 0.7
    hours --> end_: key 0
    book --> done: captured
    book --> end_: failed 3 times
    book --> hours: find_slot answered as wanted
    book --> end_: key 0
    done --> end_: key 0
    done --> [*]
    end_ --> [*]
"""


def test_each_way_is_an_arrow_with_its_reason() -> None:
    """What means something to Mermaid stands in no label."""
    assert CLINIC.mermaid() == DRAWING
