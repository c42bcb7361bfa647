"""The webhooks of a transfer over ASGI: repeated, late, to another process, and after a long talk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from test_webhooks import FORM, IN_PROGRESS, World, token_in, verbs

from callbridge.call import facts
from callbridge.call import telephone_facts as t
from callbridge.call.facts import EndReason
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.wishes import PutThrough, Transfer
from callbridge.server.http.transfers import transfer_router
from callbridge.switchboard.putting_through import RINGS_AT_ONCE_MAX
from desks import CALL, CALLER

ID = "MZ1-1"
ENDED = f"/twilio/transfer-ended?stream=1&transfer={ID}"
TALKED = {"DialCallStatus": "completed", "DialBridged": "true"}
BUSY = {"DialCallStatus": "busy", "DialBridged": "false"}
SALES = Transfer("sales", "+15550100042", briefing="Ann Lee asks for a price.", reason="a price")
WARM = Transfer("sales", "+15550100042", is_asked=True, is_warm=True, briefing="Ann Lee asks for a price.")


@dataclass
class Line(World):
    """A call that was taken, and whose stream has put the caller through."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.app.include_router(transfer_router(self.desk))

    async def put_through(self, transfer: Transfer = SALES, *told: facts.Fact, is_held: bool = False) -> None:
        """The stream has ended with a caller who is to be put through."""
        await self.post("/twilio/voice")
        self.started()
        self._write(t.TransferAsked(ID, transfer, is_held, source="MZ1"))
        for fact in told:
            self._write(fact)
        self.ended(EndReason.TRANSFERRED, PutThrough(ID, "sales"))

    async def asks(self, path: str = "/twilio/stream-ended?stream=1", **form: str) -> httpx.Response:
        """What Twilio is told about the caller, who is there."""
        return await self.post(path, IN_PROGRESS | form)

    async def outcomes(self) -> list[TransferOutcome]:
        """What is written down of what became of it."""
        ended = [fact for fact in await self.noted() if isinstance(fact, t.TransferEnded)]
        assert {fact.name for fact in ended} <= {"sales"}
        return [fact.outcome for fact in ended]


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    async with Line() as made:
        yield made


async def test_the_same_question_is_told_the_same_and_rings_nobody_anew(line: Line) -> None:
    await line.put_through()
    first, again = await line.asks(), await line.asks()
    assert verbs(first) == ["Dial", "Hangup"]
    assert again.text == first.text
    back, repeated = await line.asks(ENDED, **BUSY), await line.asks(ENDED, **BUSY)
    assert verbs(back)[0] == "Connect"
    assert repeated.text == back.text
    assert await line.outcomes() == [TransferOutcome.BUSY]
    # A captured question about what is over leads nowhere.
    assert verbs(await line.asks()) == ["Hangup"]


async def test_a_repetition_is_answered_while_other_calls_of_the_caller_ring(line: Line) -> None:
    """They began after it was looked whether there are too many."""
    await line.put_through()
    first = await line.asks()
    for number in range(RINGS_AT_ONCE_MAX):
        line.desk.rings.began(f"CA{number}", line.desk.caller_key(CALLER), line.now)
    assert (await line.asks()).text == first.text


async def test_a_caller_who_rings_there_too_often_is_back_with_the_agent(line: Line) -> None:
    for number in range(RINGS_AT_ONCE_MAX):
        line.desk.rings.began(f"CA{number}", line.desk.caller_key(CALLER), line.now)
    await line.put_through()
    assert verbs(await line.asks())[0] == "Connect"
    assert await line.outcomes() == [TransferOutcome.UNREACHABLE]


@pytest.mark.parametrize("is_held", [False, True])
async def test_a_talk_may_last_for_hours(line: Line, is_held: bool) -> None:
    """The words of a call in which nothing happens are dropped meanwhile, and with them who was rung."""
    taken = (t.PersonRung(ID, "CA2"), t.PersonAnswered(ID), t.PersonDecided(ID, takes_it=True, keys="1"))
    await line.put_through(WARM if is_held else SALES, *(taken if is_held else ()), is_held=is_held)
    assert verbs(await line.asks()) == ["Dial", "Hangup"]
    if is_held:
        line._write(t.RoomReported(ID, "conference-start", call_sid=CALL, source=facts.HTTP))
    line.wall_now += 7200
    line.desk.note("CA9", facts.CallReported("ringing"))  # Something happens to somebody else.
    assert "transfer_asked" not in await line.kinds()
    talked = {"DialCallStatus": "answered"} if is_held else TALKED
    assert verbs(await line.asks(ENDED, **talked)) == ["Hangup"]
    assert await line.outcomes() == [TransferOutcome.CONNECTED]


@pytest.mark.parametrize(("dialled", "verb"), [(TALKED, "Hangup"), (BUSY, "Connect")])
async def test_a_process_that_knows_nothing_believes_what_twilio_tells(
    line: Line, dialled: dict[str, str], verb: str
) -> None:
    """Its state is gone: who has talked is not asked what it was about."""
    assert verbs(await line.asks(ENDED, **dialled))[0] == verb


async def test_a_transfer_that_was_not_written_down_brings_the_agent_back(line: Line) -> None:
    await line.post("/twilio/voice")
    line.started()
    line.ended(EndReason.TRANSFERRED, PutThrough(ID, "sales"))
    answer = await line.asks()
    assert verbs(answer)[0] == "Connect"
    assert token_in(answer)


async def test_of_a_call_that_is_over_its_words_are_told_to_nobody(line: Line) -> None:
    """Whoever has captured a request about the person hears that the caller is gone."""
    await line.put_through(WARM, is_held=True)
    path = f"/twilio/briefing?call={CALL}&transfer={ID}"
    person = IN_PROGRESS | {"CallSid": "CA2", "Direction": "outbound-api"}
    assert "Ann Lee" in (await line.post(path, person)).text
    await line.post("/twilio/stream-ended?stream=1", IN_PROGRESS | {"CallStatus": "completed"})
    late = await line.post(path, person)
    assert verbs(late)[-1] == "Hangup"
    assert "Ann Lee" not in late.text


async def test_the_place_of_who_is_put_through_is_free_and_is_theirs_again(line: Line) -> None:
    await line.put_through()
    await line.asks()
    assert line.places == 0
    await line.asks(ENDED, **BUSY)
    assert line.places == 1


async def test_what_lets_a_callers_number_be_shown_is_kept_for_a_call_that_rings_and_no_longer(
    line: Line,
) -> None:
    """A captured request, repeated later, brings it back to nobody."""
    ringing = FORM | {"CallToken": "secret"}
    for _ in range(2):
        await line.post("/twilio/voice", ringing)
        assert line.desk.call_tokens.get(CALL) == "secret"
    line.desk.release(CALL)
    line.wall_now += 60
    await line.post("/twilio/voice", ringing)
    assert line.desk.call_tokens.get(CALL) == ""
