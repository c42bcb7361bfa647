"""`callbridge fallback`: what the document does that Twilio keeps, on a phone as strict as Twilio."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from callbridge.cli import app
from callbridge.cli.fallback import document
from callbridge.simulators.phone import program as pg
from callbridge.simulators.phone.line_settings import DialOutcome, LineSettings
from callbridge.simulators.phone.twiml import WebAnswer
from desks import APOLOGY, NEEDED, made_settings

HUMAN, SALES = "+14155550123", "+14155550124"
BIN, END = "https://handler.twilio.com/twiml/EH1", "https://handler.twilio.com/twiml/EH2"
ENDS = '<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>'
DIAL = {"CALLBRIDGE_FALLBACK_DIAL": HUMAN}
MENU = {
    "CALLBRIDGE_FALLBACK_MENU": json.dumps(
        {"1": {"label": "sales", "dial": SALES}, "2": {"label": "us", "dial": HUMAN}}
    )
}
PROMPT = "We cannot take your call at the moment. Please leave a message after the tone."


def heard(environment: dict[str, str], line: LineSettings, hang_up_url: str = "") -> list[tuple[str, str]]:
    """What the phone carries out of it, and of nobody else: it must have nothing to complain about."""
    bins = {BIN: document(made_settings(environment), hang_up_url), END: ENDS}
    program = pg.Program(BIN, "POST", ("+14155550100", "+14155550199"), line)
    step: pg.Step = program.begin()
    asked = []
    while not isinstance(step, pg.End):
        match step:
            case pg.Fetch(url=url):
                asked.append(url)
                step = program.answered(WebAnswer(url, 200, "text/xml", bins[url].encode()))
            case pg.Spend():
                step = program.spent()
            case pg.OpenStream():
                raise AssertionError("there is nobody to stream to")
    assert (program.complaints, program.findings) == ([], [])
    assert asked.count(BIN) == 1, "it would ring the humans again"
    return [(done.verb, done.detail) for done in program.executed if done.verb != "Hangup"]


@pytest.mark.parametrize(
    ("environment", "rung"),
    [(DIAL, f"Number {HUMAN}"), (DIAL | MENU, f"Number {HUMAN}, Number {SALES}"), ({}, "")],
)
@pytest.mark.parametrize("outcome", [DialOutcome.NO_ANSWER, DialOutcome.COMPLETED, DialOutcome.HUNG_UP])
def test_it_rings_all_humans_and_says_a_word(
    environment: dict[str, str], rung: str, outcome: DialOutcome
) -> None:
    """The word is heard as well by who has talked, and stayed on the line: it cannot tell."""
    met = [("Dial", f"{rung}: {outcome}")] if rung else []
    left = bool(rung) and outcome is DialOutcome.HUNG_UP
    assert heard(environment, LineSettings(dial_outcome=outcome)) == met + [("Say", APOLOGY)] * (not left)


def test_with_a_second_bin_callers_leave_a_message() -> None:
    """And the first one is not asked again, whatever is said."""
    for said_s in (0, 12):
        line = LineSettings(dial_outcome=DialOutcome.BUSY, recording_s=said_s)
        busy = ("Dial", f"Number {HUMAN}: busy")
        assert heard(DIAL, line, END) == [busy, ("Say", PROMPT), ("Record", f"{said_s} s")]


def test_humans_are_shown_the_number_that_is_set() -> None:
    assert 'callerId="+14155550188"' in document(
        made_settings(DIAL | {"CALLBRIDGE_FALLBACK_CALLER_ID": "+14155550188"})
    )
    assert "callerId" not in document(made_settings(DIAL))
    assert 'sequential="true"' in document(made_settings(DIAL | MENU))


def run(environment: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["fallback", *arguments], env=NEEDED | environment)
    return result.exit_code, result.stdout, result.stderr


def test_the_document_goes_to_a_file_and_its_limits_to_the_terminal() -> None:
    hours = {"CALLBRIDGE_OFFICE_HOURS": "Mo-Fr 9-17"}
    code, told, notes = run(DIAL | MENU | hours)
    assert code == 0
    assert told.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<Response>\n  <Dial')
    for words in ("Primary handler fails", "no clock", "no menu", "13214", "circles", "--hang-up-url"):
        assert words in notes
    code, told, notes = run({}, "--hang-up-url", END)
    assert f'<Record action="{END}"' in told
    assert "rings nobody" in notes
    assert "Monitor > Recordings" in notes
    assert run({}, "--hang-up-url", "EH2")[0] == 1
