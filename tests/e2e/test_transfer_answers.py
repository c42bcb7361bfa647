"""What Twilio says of a transfer is lost, late, told twice or a refusal; and what callers do on hold."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from callbridge.call.outcomes import TransferOutcome as Outcome
from callbridge.simulators.account import Fault
from callbridge.simulators.account.faults import FaultKind
from callbridge.simulators.phone import Interrupt, LineSettings, Pause, Press, Step, WaitForEnd
from callbridge.simulators.phone.call_settings import TO_NUMBER
from callbridge.simulators.phone.leg import PERSON
from callbridge.simulators.phone.misbehaviour import Misbehaviour
from callbridge.simulators.phone.people import Answers, Person
from callbridge.switchboard.putting_through import RINGS_AT_ONCE_MAX
from canaries import NUMBER as CALLER
from e2e.stack import together
from e2e.transfers import ASKING, COLD, SALES, WARM, People, Way, all_of, people_behind, puts_through
from random_calls import noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from e2e.crowd import Case

pytestmark = pytest.mark.usefixtures("nothing_left", "without_debugging")

TAKES = Person(presses=("1",), talks_s=10.0)
AWAY = Person(answers=Answers.NO_ANSWER)
REFUSES = Person(presses=("2",), talks_s=10.0)
SILENCE_MS_MAX = 4000


def create(kind: FaultKind, **more: Any) -> Fault:
    """Something goes wrong when a person is to be rung."""
    return Fault(kind, method="POST", resource="Calls.json", **more)


def change(kind: FaultKind, **more: Any) -> Fault:
    """Something goes wrong when a call is to be ended or led elsewhere."""
    return Fault(kind, method="POST", resource="Calls/", **more)


async def comes_to(
    outcome: Outcome,
    person: Person = TAKES,
    way: Way = WARM,
    *,
    faults: Sequence[Fault] = (),
    tried: int | None = None,
    lost: Sequence[str] = (),
    repeated: Sequence[str] = (),
    leaves: str = "",
    phone: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    """One call.

    Args:
        outcome: what is written down of it, once.
        person: who is rung, once at the most.
        way: how.
        faults: of the account.
        tried: how often the account is asked to ring.
        lost: which webhooks do not arrive.
        repeated: which arrive twice.
        leaves: when the person hangs up.
        phone: settings of the call.
        more: as for `people_behind`.
    """
    async with people_behind(way, person, faults=faults, **more) as line:
        line.tap.lost.update(lost)
        line.tap.repeated.update(repeated)
        line.tap.at(leaves, lambda: line.people_legs[0].hang_up(PERSON))
        call = await line.call(**(phone or {}))
        ended = await line.all_ended(call)
        assert [told.outcome for told in ended] == [outcome], " ".join(line.tap.asked)
        made = [seen for seen in line.account.seen if seen.path.endswith("/Calls.json")]
        assert len(made) == (way == WARM if tried is None else tried)
        assert len(line.people_legs) <= 1, "rung twice"
        assert call.report.longest_silence_ms < SILENCE_MS_MAX, call.report.silences
        assert not call.report.findings
        assert call.verbs[-1] == "Hangup"
        # Who has talked is let go; who has not has the agent back.
        assert call.verbs[-2] == ("Dial" if outcome is Outcome.CONNECTED else "Connect/Stream"), call.verbs
        assert await settles(line)


async def settles(line: People) -> bool:
    await line.until(lambda: not line.live_legs)
    return True


@pytest.mark.heavy
async def test_what_is_lost_rings_nobody_twice() -> None:
    connected = Outcome.CONNECTED
    runs: dict[str, Case[None]] = {
        "the answer is lost": partial(comes_to, connected, faults=[create(FaultKind.LOST)]),
        "500, and done": partial(comes_to, connected, faults=[create(FaultKind.FAILED)]),
        "hangs, and done": partial(comes_to, connected, faults=[create(FaultKind.HANG, seconds=30.0)]),
        "busy twice": partial(comes_to, connected, faults=[create(FaultKind.BUSY, times=2)], tried=3),
        "busy for long": partial(comes_to, connected, faults=[create(FaultKind.BUSY, times=9)], tried=4),
        "another token": partial(comes_to, connected, tried=1, account_settings={"auth_token": "another"}),
        "the number may not be shown": partial(
            comes_to, connected, tried=2, account_settings={"do_not_originate": frozenset({CALLER})}
        ),
        "lost, and not done": partial(
            comes_to, Outcome.CARRIER_FAULT, faults=[create(FaultKind.LOST, is_done=False)]
        ),
    }
    await all_of(runs)


@pytest.mark.heavy
async def test_news_are_not_relied_upon() -> None:
    connected = Outcome.CONNECTED
    runs: dict[str, Case[None]] = {
        "no news of the person": partial(comes_to, connected, lost=["person-status"]),
        "none of the talk": partial(comes_to, connected, lost=["room-status conference-start"]),
        "news twice": partial(comes_to, connected, misbehaviours={Misbehaviour.CALLBACKS_TWICE}),
        "everything twice": partial(
            comes_to,
            connected,
            misbehaviours={Misbehaviour.WEBHOOK_TWICE},
            phone={"misbehaviours": frozenset({Misbehaviour.WEBHOOK_TWICE})},
        ),
        "late news": partial(comes_to, connected, misbehaviours={Misbehaviour.LATE_CALLBACKS}),
        "late news of who is busy": partial(
            comes_to, Outcome.BUSY, Person(answers=Answers.BUSY), misbehaviours={Misbehaviour.LATE_CALLBACKS}
        ),
    }
    for way in (COLD, ASKING):
        told: dict[str, Any] = {"phone": {"line": LineSettings(tells_dial_bridged=False)}}
        runs[f"{way}, not told whether connected"] = partial(comes_to, connected, way=way, **told)
    runs["asking, not told, refused"] = partial(
        comes_to, Outcome.DECLINED, REFUSES, ASKING, phone={"line": LineSettings(tells_dial_bridged=False)}
    )
    for way in (COLD, ASKING, WARM):
        twice = frozenset({Misbehaviour.WEBHOOK_TWICE})
        runs[f"{way}, all twice, away"] = partial(
            comes_to, Outcome.NO_ANSWER, AWAY, way, misbehaviours=twice, phone={"misbehaviours": twice}
        )
    await all_of(runs)


@pytest.mark.heavy
async def test_a_caller_is_led_out_of_the_room_once() -> None:
    """Twilio asks what follows the `<Dial>` of a call that is led elsewhere, too, and ignores the answer."""
    alone: dict[str, Any] = {"leaves": "after room-wait"}
    declined = Outcome.DECLINED
    runs: dict[str, Case[None]] = {
        "asked before": partial(comes_to, declined, **alone),
        "asked behind": partial(comes_to, declined, phone={"action_lags": True}, **alone),
        "the answer is lost": partial(comes_to, declined, faults=[change(FaultKind.LOST)], **alone),
        "500, and done": partial(comes_to, declined, faults=[change(FaultKind.FAILED)], **alone),
        "hangs": partial(comes_to, declined, faults=[change(FaultKind.HANG, seconds=2.0)], **alone),
        "busy": partial(comes_to, declined, faults=[change(FaultKind.BUSY, times=2)], **alone),
        "down for a while": partial(comes_to, declined, faults=[change(FaultKind.DOWN, times=2)], **alone),
    }
    await all_of(runs)


async def test_an_answer_that_is_lost_rings_nobody_twice() -> None:
    await all_of(
        {
            "made": partial(comes_to, Outcome.CONNECTED, faults=[create(FaultKind.LOST)]),
            "refused, so the line's number": partial(
                comes_to,
                Outcome.CONNECTED,
                tried=2,
                account_settings={"do_not_originate": frozenset({CALLER})},
            ),
            "led back": partial(
                comes_to, Outcome.DECLINED, faults=[change(FaultKind.LOST)], leaves="after room-wait"
            ),
        }
    )


# --- Other callers, and other days ---------------------------------------------------------------------


async def shows(number: str, caller: str, line: str = TO_NUMBER) -> None:
    """The person sees this number."""
    async with people_behind(WARM, TAKES, environment={"CALLBRIDGE_FALLBACK_CALLER_ID": TO_NUMBER}) as there:
        call = await there.call(from_number=caller, to_number=line)
        assert [told.outcome for told in await there.all_ended(call)] == [Outcome.CONNECTED]
        assert [leg.from_address for leg in there.people_legs] == [number], caller
        made = [seen.status for seen in there.account.seen if seen.path.endswith("/Calls.json")]
        assert made == [201]


@pytest.mark.heavy
async def test_a_person_sees_who_calls_or_a_number_of_ours() -> None:
    await all_of(
        {
            "a number": partial(shows, CALLER, CALLER),
            "withheld": partial(shows, TO_NUMBER, "anonymous"),
            "withheld, as a number": partial(shows, TO_NUMBER, "+266696687"),
            "by SIP": partial(shows, TO_NUMBER, "sip:anna@pbx.example.com"),
            "by SIP to SIP": partial(
                shows, TO_NUMBER, "sip:anna@pbx.example.com", "sip:shop@x.sip.twilio.com"
            ),
        }
    )


@pytest.mark.heavy
async def test_a_telephone_that_forwards_to_us_is_no_endless_circle() -> None:
    """Each call that comes in so would ring it again."""
    for way in (WARM, ASKING, COLD):
        async with people_behind(way, Person(forwards_to=TO_NUMBER)) as line:
            (ours,) = line.account.numbers
            ours.voice_url = line.stack.settings.voice_url
            # One round takes half a second, and then the agent has the caller again.
            await line.call(max_call_s=5)
            await line.until(lambda: not line.live_legs)
            assert len(line.exchange.to(SALES)) <= RINGS_AT_ONCE_MAX, way


@pytest.mark.heavy
async def test_two_want_one_person_at_once() -> None:
    """The second one finds them busy."""
    script = puts_through()
    both = structs.replace(script, answers=(script.answers[0], *script.answers))
    async with people_behind(WARM, TAKES, Person(answers=Answers.BUSY), script=both) as line:
        calls = await together(line.call(from_number="+15550100011"), line.call(from_number="+15550100012"))
        ended = [told.outcome for call in calls for told in await line.all_ended(call)]
        assert Counter(ended) == Counter([Outcome.CONNECTED, Outcome.BUSY])
        assert not line.live_legs


# --- On hold -------------------------------------------------------------------------------------------

NOT_SOON = Person(presses=("1",), talks_s=None, after_s=18.0)


@pytest.mark.heavy
async def test_a_caller_who_does_not_want_to_wait_has_the_agent_again() -> None:
    """By a key on hold. One who speaks into the last words is not put through at all."""

    async def by(step: Sequence[Step], outcomes: list[Outcome]) -> None:
        async with people_behind(WARM, NOT_SOON) as line:
            call = await line.call([*step, WaitForEnd()])
            assert [told.outcome for told in await line.all_ended(call)] == outcomes
            assert len(line.people_legs) == len(outcomes)
            assert call.verbs == ["Connect/Stream", "Hangup"]
            await line.until(lambda: not line.live_legs)
            assert not any(heard.what == "conference" for leg in line.people_legs for heard in leg.heard)

    await all_of(
        {
            "a key": partial(by, [Pause(900), Press("5")], [Outcome.CALLER_RETURNED]),
            "a word": partial(by, [Interrupt(100, noise(random.Random(1), 400))], []),
        }
    )


@pytest.mark.heavy
@pytest.mark.parametrize("is_down", [False, True])
async def test_a_person_who_cannot_be_let_go_is_told_when_they_answer(is_down: bool) -> None:
    """Also long after the call is over, when nobody knows any more whom it was for."""
    faults = [change(FaultKind.DOWN, times=20)] if is_down else []
    async with people_behind(WARM, NOT_SOON, faults=faults) as line:
        phone = line.phone()
        line.tap.at("before person-status ringing", phone.hang_up)
        call = await line.stack.finish(phone)
        await line.until(lambda: not line.live_legs)
        assert [told.outcome for told in await line.all_ended(call)] == [Outcome.CALLER_HUNG_UP]
        (leg,) = line.people_legs
        told = ["The caller has hung up."] if is_down else []
        assert [heard.text for heard in leg.heard] == told
