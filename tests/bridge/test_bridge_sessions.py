"""Sessions that come and go within one call: lost and replaced, renewed, parked, handed over."""

from __future__ import annotations

import asyncio
import gc
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import structlog

import memory_call as mc
from callbridge.agents.agent import Agent
from callbridge.bridge.legs.leg import DialError
from callbridge.bridge.waiting import WaitingRoom
from callbridge.call import events as e
from callbridge.call import facts
from callbridge.call.entrance import Entrance, Step
from callbridge.call.facts import EndReason, Fact
from callbridge.call.limits import Limits
from callbridge.call.phases import Phase
from callbridge.wire import realtime_events
from callbridge.wire.media_streams import StartFacts
from leftovers import until

pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])

CREATED = mc.session("session.created", "audio/pcm")
UPDATED = mc.session("session.updated", "audio/pcmu")
GONE = e.LegGone(e.Leg.MODEL, 1006)
PHONE_LOST = e.LegGone(e.Leg.PHONE, 1006)
REFUSED = DialError(e.ModelDialFailed("no answer in 5 s"))


def of(kind: type[Fact], rig: mc.Rig) -> list[Any]:
    """The facts of one kind, in order."""
    return [fact for fact in rig.facts if isinstance(fact, kind)]


async def is_told(leg: mc.MemoryLeg) -> None:
    """A session that is to replace another is configured and told what was said; it has to confirm that."""
    leg.say(CREATED)
    await leg.hears("session.update")
    leg.say(UPDATED)
    await leg.hears("session.update")


async def becomes_ready(leg: mc.MemoryLeg) -> None:
    await is_told(leg)
    leg.say(UPDATED)


async def test_a_session_that_is_lost_is_replaced() -> None:
    """What the caller says meanwhile is held for the next one; of the old one nothing is left."""
    first, second = mc.MemoryLeg(), mc.MemoryLeg()
    async with mc.calling(dialer=mc.MemoryDialer(first, second)) as rig:
        rig.model = first
        await rig.goes_live()
        await rig.is_quiet()
        first.end(GONE)
        await rig.dialer.rings(2)
        rig.phone.say(mc.media(b"\x05" * 160))
        await becomes_ready(second)
        assert await second.hears("input_audio_buffer.append") == mc.append(b"\x05" * 160)
        await mc.until(lambda: first.readers == 0)
        assert first.closed == [(1000, "")]
        assert mc.append(b"\x05" * 160) not in first.sent
        await rig.hangs_up()
    assert [fact.cause for fact in of(facts.SessionReplaced, rig)] == ["lost"]
    assert rig.ended.reason is EndReason.CALLER_HANGUP
    assert first.closed == second.closed == [(1000, "")]


async def test_what_a_dropped_session_still_says_changes_nothing() -> None:
    """It may have come in the packet that made us drop it, or be read before its reader is gone."""
    first, second = mc.MemoryLeg(), mc.MemoryLeg()
    async with mc.calling(dialer=mc.MemoryDialer(first, second), limits=Limits(bad_messages_max=0)) as rig:
        rig.model = first
        await rig.goes_live()
        rig.dialer.picks_up.clear()
        sent = len(rig.phone.sent)
        # The first ends the session: it cannot be read. A second would end the call.
        first.say_at_once({"type": 7}, {"type": 7}, *mc.answer_begins("resp_1", "item_1"))
        first.say_at_once(mc.audio_delta(b"\xff" * 1600), {"type": 7}, mc.tool_call("end_call"))
        rig.dialer.picks_up.set()
        await becomes_ready(second)
        await second.hears("response.create")
        assert len(rig.phone.sent) == sent
        await rig.hangs_up()
    assert rig.ended.tools_used == 0


async def test_a_dial_that_is_dropped_is_cancelled_and_the_next_one_counts() -> None:
    limits = Limits(dial_timeout_s=0.05, dial_tries_max=100, redial_delay_s=0.0, redial_spread_s=0.0)
    second = mc.MemoryLeg()
    async with mc.calling(dialer=mc.MemoryDialer(second), limits=limits) as rig:
        rig.dialer.picks_up.clear()
        rig.phone.say(mc.CONNECTED, mc.START)
        await rig.dialer.rings(2)
        assert rig.dialer.was_cancelled
        rig.dialer.picks_up.set()
        second.say(CREATED)
        await second.hears("session.update")
        await rig.hangs_up()
    assert second.closed == [(1000, "")]


async def test_a_dropped_session_that_closes_slowly_holds_up_nobody_and_is_closed_with_the_call() -> None:
    """Its close is bounded by the leg; the call goes on, and may end before."""
    first, second = mc.MemoryLeg(), mc.MemoryLeg()
    first.may_close.clear()
    async with mc.calling(dialer=mc.MemoryDialer(first, second)) as rig:
        rig.model = first
        await rig.goes_live()
        first.end(GONE)
        await becomes_ready(second)
        await second.hears("response.create")
        rig.phone.say(mc.STOP)
        await mc.until(lambda: bool(second.closed))
        assert not rig.running.done()
        first.may_close.set()
        await rig.running
    assert first.readers == 0


async def test_an_observer_that_raises_as_a_session_is_dropped_is_not_lost() -> None:
    """The reader that was told so is being cancelled by then: the call must not go on half performed."""

    def observe(fact: Fact) -> None:
        if isinstance(fact, facts.StreamEnded):
            raise ZeroDivisionError

    limits = Limits(bad_messages_max=0, reconnects_max=0)
    async with mc.calling(limits=limits, observe=observe) as rig:
        await rig.goes_live()
        with structlog.testing.capture_logs() as logs:
            rig.model.say_at_once({"type": 7})
            await rig.running
    assert [line["event"] for line in logs] == ["call_broken"]
    assert len(rig.phone.closed) == 1
    assert len(rig.model.closed) == 1


ANSWER = (
    mc.SPEECH_STARTED,
    mc.SPEECH_STOPPED,
    *mc.answer_begins("r2", "i2"),
    mc.audio_delta(b"\x06" * 800, "r2", "i2"),
)
RENEWED_SOON = Limits(renew_after_s=0.02, move_timeout_s=mc.BOUND_S)


@asynccontextmanager
async def renewing(*spares: mc.MemoryLeg | Exception, **options: Any) -> AsyncIterator[mc.Rig]:
    """A quiet call whose session is about to be renewed."""
    first = mc.MemoryLeg()
    dialer = mc.MemoryDialer(first, *spares)
    async with mc.calling(dialer=dialer, limits=options.pop("limits", RENEWED_SOON), **options) as rig:
        rig.model = first
        await rig.goes_live()
        await rig.is_quiet()
        await dialer.rings(2)
        yield rig


async def test_the_spare_takes_over_and_loses_nothing_that_comes_in_the_same_read() -> None:
    """Its first answer may follow its confirmation in one packet."""
    spare = mc.MemoryLeg()
    async with renewing(spare) as rig:
        await is_told(spare)
        await rig.phone.says(mc.media(b"\x05" * 160))
        assert mc.append(b"\x05" * 160) not in [*rig.model.sent, *spare.sent]
        spare.say_at_once(UPDATED, *ANSWER)
        assert rig.phone.sent[-1]["media"]["payload"] == mc.encoded(b"\x06" * 800)
        # The old session has no say any more, whatever comes of it in the same turn of the loop.
        sent = len(rig.phone.sent)
        rig.model.say_at_once(
            mc.SPEECH_STARTED, *mc.answer_begins("r3", "i3"), mc.audio_delta(b"\x07" * 800, "r3", "i3")
        )
        rig.model.end(GONE)
        assert len(rig.phone.sent) == sent
        assert await spare.hears("input_audio_buffer.append") == mc.append(b"\x05" * 160)
        await mc.until(lambda: rig.model.readers == 0)
        assert rig.model.closed == [(1000, "")]
        assert mc.append(b"\x05" * 160) not in rig.model.sent
        # From now on it is the model leg: losing it costs a session.
        spare.end(GONE)
        await rig.dialer.rings(3)
        await rig.hangs_up()
    assert [fact.cause for fact in of(facts.SessionReplaced, rig)] == ["renewed"]
    assert spare.closed == [(1000, "")]


@pytest.mark.parametrize("stage", ["refused", "dialled", "connected", "told"])
async def test_a_spare_that_dies_costs_nothing(stage: str) -> None:
    """The present session goes on, with all that the caller said meanwhile; another one is tried later."""
    spare = mc.MemoryLeg()
    async with renewing(REFUSED if stage == "refused" else spare) as rig:
        if stage == "told":
            await is_told(spare)
        elif stage == "connected":
            spare.say(CREATED)
            await spare.hears("session.update")
        await rig.phone.says(mc.media(b"\x05" * 160))
        if stage != "refused":
            spare.end(e.LegGone(e.Leg.SPARE, 1006))
        await mc.until(lambda: mc.append(b"\x05" * 160) in rig.model.sent)
        await mc.until(lambda: "renewal_put_off" in [note.event for note in of(facts.Noted, rig)])
        await mc.until(lambda: spare.readers == 0)
        assert rig.model.closed == []
        await rig.hangs_up()
    assert spare.closed == ([] if stage == "refused" else [(1000, "")])


@pytest.mark.parametrize("how", ["hangs up", "is cancelled", "breaks"])
@pytest.mark.parametrize("stage", ["dialled", "told"])
async def test_a_call_that_ends_beside_a_spare_closes_both_sessions(
    stage: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its tasks are over before the spare is dropped."""
    spare = mc.MemoryLeg()
    async with renewing(spare) as rig:
        if stage == "dialled":
            await mc.until(lambda: spare.readers == 1)
        else:
            await is_told(spare)
        if how == "hangs up":
            await rig.hangs_up()
        elif how == "breaks":
            mc.break_on(rig, realtime_events.SpeechStarted)
            with structlog.testing.capture_logs():
                rig.model.say(mc.SPEECH_STARTED)
                await rig.running
            assert rig.ended.reason is EndReason.INTERNAL_ERROR
        else:
            rig.running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await rig.running
            assert rig.ended.reason is EndReason.SERVICE_STOPPED
    assert [len(leg.closed) for leg in (rig.phone, rig.model, spare)] == [1, 1, 1]


async def test_a_spare_is_dialled_and_never_one_that_waits() -> None:
    """What waits is for a stream that is still to come."""
    leg = mc.MemoryLeg()
    async with (
        WaitingRoom(mc.MemoryDialer(leg)) as room,
        mc.calling(limits=RENEWED_SOON, waiting=room) as rig,
    ):
        await rig.goes_live()
        room.predial("CA1", mc.PLAN.model)
        await rig.dialer.rings(2)
        assert len(room) == 1
        await rig.hangs_up()
    assert leg.closed == [(1000, "")]


def phase_of(rig: mc.Rig) -> Phase | None:
    """Where its call stands; None before there is one."""
    decider = rig.bridge.decider
    return None if isinstance(decider, Entrance) else decider.phase


async def continued(_start: StartFacts) -> e.StreamAdmitted:
    """The second stream of a call."""
    return e.StreamAdmitted(mc.PLAN, "+15550100", "+15550111", is_continued=True)


async def test_a_call_that_comes_back_goes_on_in_the_session_that_it_left() -> None:
    """The phone was lost without a stop. No second handshake, and the session is not told what it knows."""
    leg = mc.MemoryLeg()
    dialer = mc.MemoryDialer(leg)
    async with WaitingRoom(dialer) as room:
        async with mc.calling(dialer=dialer, waiting=room) as rig:
            rig.model = leg
            await rig.goes_live()
            await rig.is_quiet()
            rig.phone.end(PHONE_LOST)
            await rig.running
        assert rig.ended.reason is EndReason.MEDIA_LOST
        assert (len(room), leg.readers, leg.closed) == (1, 0, [])
        bridge = weakref.ref(rig.bridge)
        del rig
        gc.collect()
        assert bridge() is None  # The next stream has its session, and nothing of the bridge before.

        async with mc.calling(dialer=dialer, waiting=room, admit=continued) as rig:
            rig.phone.say(mc.CONNECTED, mc.START)
            await leg.hears("session.update")
            leg.say(UPDATED)
            await leg.hears("response.create")
            assert "conversation.item.create" not in leg.kinds()[leg.kinds().index("response.create") + 1 :]
            assert leg.readers == 1
            await rig.hangs_up()
        assert (len(room), leg.closed) == (0, [(1000, "")])
    assert dialer.models == [mc.PLAN.model]


async def test_a_session_keeps_the_time_of_its_renewal_from_stream_to_stream() -> None:
    """Its age does not begin anew with the stream that takes it: here it is due already."""
    leg = mc.MemoryLeg()
    dialer = mc.MemoryDialer(leg)
    async with WaitingRoom(dialer) as room:
        async with mc.calling(dialer=dialer, waiting=room, limits=Limits(renew_after_s=0.0)) as rig:
            rig.model = leg
            await rig.goes_live()
            await rig.is_quiet()
            await dialer.rings(2)
            rig.phone.end(PHONE_LOST)
            await rig.running
        async with mc.calling(dialer=dialer, waiting=room, admit=continued) as rig:
            rig.phone.say(mc.CONNECTED, mc.START)
            await leg.hears("session.update")
            leg.say(UPDATED)
            await dialer.rings(3)
            await rig.hangs_up()


async def test_the_wall_clock_says_when_a_session_expires() -> None:
    """Two seconds are left of it: at the half of them, or less, another one is dialled beside it."""
    async with mc.calling(limits=Limits(expiry_min_s=0.001)) as rig:
        rig.phone.say(mc.CONNECTED, mc.START)
        await rig.dialer.rings()
        rig.model.say(mc.session("session.created", "audio/pcm"))
        await rig.model.hears("session.update")
        updated = mc.session("session.updated", "audio/pcmu")
        updated["session"]["expires_at"] = time.time() + 2
        rig.model.say(updated)
        await rig.dialer.rings(2)
        await rig.hangs_up()


async def test_a_parked_session_that_died_is_replaced() -> None:
    """Who adopts it finds out by reading it."""
    dead, fresh = mc.MemoryLeg(), mc.MemoryLeg()
    dead.end(GONE)
    dialer = mc.MemoryDialer(fresh)
    async with WaitingRoom(dialer) as room:
        room.park("CA1", dead, mc.PLAN.model)
        limits = Limits(redial_delay_s=0.0, redial_spread_s=0.0)
        async with mc.calling(dialer=dialer, waiting=room, admit=continued, limits=limits) as rig:
            rig.phone.say(mc.CONNECTED, mc.START)
            fresh.say(CREATED)
            await fresh.hears("session.update")
            await rig.hangs_up()
    assert dead.closed == fresh.closed == [(1000, "")]


@pytest.mark.parametrize("fails", [False, True])
async def test_a_call_finds_the_session_that_was_dialled_for_it(*, fails: bool) -> None:
    """Cold: it is greeted and configured as ever. A dial that failed counts as a try."""
    leg = mc.MemoryLeg()
    dialer = mc.MemoryDialer(*[REFUSED] * fails, leg)
    limits = Limits(redial_delay_s=0.0, redial_spread_s=0.0)
    async with WaitingRoom(dialer) as room:
        room.predial("CA1", mc.PLAN.model)
        await dialer.rings()
        async with mc.calling(dialer=dialer, waiting=room, limits=limits) as rig:
            rig.model = leg
            await rig.goes_live()
            await rig.hangs_up()
    assert leg.closed == [(1000, "")]
    assert len(dialer.models) == 1 + fails
    assert len(of(facts.ModelTrouble, rig)) == fails


@pytest.mark.parametrize("picks_up_first", [True, False])
@pytest.mark.parametrize("moment", range(6))
async def test_a_caller_who_leaves_as_the_predial_stands_leaves_no_socket(
    moment: int, *, picks_up_first: bool
) -> None:
    leg = mc.MemoryLeg()
    dialer = mc.MemoryDialer(leg)
    dialer.picks_up.clear()
    async with WaitingRoom(dialer) as room:
        room.predial("CA1", mc.PLAN.model)
        async with mc.calling(dialer=dialer, waiting=room) as rig:
            await rig.phone.says(mc.CONNECTED, mc.START)
            assert await until(lambda: len(room) == 0)  # The call has taken it, of which nothing tells.
            if picks_up_first:
                dialer.picks_up.set()
            await mc.steps(moment)
            rig.phone.end(PHONE_LOST)
            await rig.running
    assert len(leg.closed) + dialer.was_cancelled == 1


@pytest.mark.parametrize("has_room", [True, False])
async def test_a_session_that_nobody_will_keep_is_closed(*, has_room: bool) -> None:
    """There is no room, or the process stops and it is closed."""
    dialer = mc.MemoryDialer()
    async with WaitingRoom(dialer) as room:
        pass
    async with mc.calling(waiting=room if has_room else None) as rig:
        await rig.goes_live()
        await rig.is_quiet()
        rig.phone.end(PHONE_LOST)
        await rig.running
    assert rig.model.closed == [(1000, "")]


async def test_a_renewed_session_is_parked_under_the_model_that_it_is_with() -> None:
    """Here the second one: the first does not exist any more."""
    first, spare = mc.MemoryLeg(), mc.MemoryLeg()
    unknown = DialError(e.ModelDialFailed("no such model", 404, "model_not_found"))
    dialer = mc.MemoryDialer(unknown, first, spare)
    plan = replace(mc.PLAN, second_model="another model")
    async with WaitingRoom(mc.MemoryDialer()) as room:
        async with mc.calling(dialer=dialer, limits=RENEWED_SOON, plan=plan, waiting=room) as rig:
            rig.model = first
            await rig.goes_live()
            await rig.is_quiet()
            await is_told(spare)
            spare.say(UPDATED)
            await mc.until(lambda: first.closed == [(1000, "")])
            rig.phone.end(PHONE_LOST)
            await rig.running
        assert dialer.models == [mc.PLAN.model, "another model", "another model"]
        waiting = room.take("CA1", "another model")
        assert waiting is not None
        assert await waiting.adopt() is spare
    assert spare.closed == []


async def waits_for_its_stream(rig: mc.Rig) -> None:
    await rig.phone.says(mc.CONNECTED)


async def is_being_admitted(rig: mc.Rig) -> None:
    rig.phone.say(mc.CONNECTED, mc.START)
    await mc.until(
        lambda: isinstance(rig.bridge.decider, Entrance) and rig.bridge.decider.step is Step.ADMITTING
    )


async def is_dialling(rig: mc.Rig) -> None:
    rig.dialer.picks_up.clear()
    rig.phone.say(mc.CONNECTED, mc.START)
    await rig.dialer.rings()


async def is_configuring(rig: mc.Rig) -> None:
    rig.phone.say(mc.CONNECTED, mc.START)
    await mc.until(lambda: phase_of(rig) is Phase.CONFIGURING)


async def is_live(rig: mc.Rig) -> None:
    await rig.goes_live()
    await rig.is_quiet()


async def is_leaving(rig: mc.Rig) -> None:
    await rig.goes_live()
    await rig.speaks(b"\xff" * 1600)
    rig.model.say(mc.tool_call("end_call"), mc.answer_done())
    await mc.until(lambda: phase_of(rig) is Phase.LEAVING)


async def has_ended(rig: mc.Rig) -> None:
    await rig.goes_live()
    await rig.hangs_up()


STAGES = [
    waits_for_its_stream,
    is_being_admitted,
    is_dialling,
    is_configuring,
    is_live,
    is_leaving,
    has_ended,
]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("wish", ["hand_over", "phone_replaced"])
async def test_the_process_may_end_a_call_in_every_stage(stage: Callable[[mc.Rig], Any], wish: str) -> None:
    """Once is enough, twice does no harm; what is open is closed, and one end is recorded."""
    may_admit = asyncio.Event()

    async def admit(_start: StartFacts) -> e.StreamAdmitted:
        await may_admit.wait()
        return mc.CALLER

    async with mc.calling(admit=admit) as rig:
        if stage is not is_being_admitted:
            may_admit.set()
        await stage(rig)
        getattr(rig.bridge, wish)()
        getattr(rig.bridge, wish)()
        may_admit.set()
        if stage is is_leaving and wish == "hand_over":  # The last words may be heard.
            rig.phone.say(mc.echo(await rig.phone.hears("mark")))
        await rig.running
    assert len(rig.phone.closed) == 1
    assert len(rig.model.closed) == (stage in {is_configuring, is_live, is_leaving, has_ended})
    reasons: dict[tuple[str, Callable[[mc.Rig], Any]], EndReason] = {
        ("hand_over", waits_for_its_stream): EndReason.SERVICE_STOPPED,
        ("hand_over", is_leaving): EndReason.AGENT_HANGUP,
        ("hand_over", has_ended): EndReason.CALLER_HANGUP,
        ("phone_replaced", waits_for_its_stream): EndReason.REJECTED_PROTOCOL,
        ("phone_replaced", is_being_admitted): EndReason.REJECTED_PROTOCOL,
        ("phone_replaced", has_ended): EndReason.CALLER_HANGUP,
    }
    usual = EndReason.HANDED_OVER if wish == "hand_over" else EndReason.MEDIA_LOST
    assert rig.ended.reason is reasons.get((wish, stage), usual)


@pytest.mark.parametrize("wish", ["hand_over", "phone_replaced", "spend_ran_over", "end_asked"])
async def test_a_fault_of_ours_ends_the_call_and_not_who_told_it(
    wish: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with mc.calling() as rig:
        await is_live(rig)
        told = {
            "hand_over": e.HandOverRequested,
            "spend_ran_over": e.SpendRanOver,
            "end_asked": e.EndAsked,
        }.get(wish, e.LegGone)
        mc.break_on(rig, told)
        with structlog.testing.capture_logs() as logs:
            getattr(rig.bridge, wish)()
            await rig.running
    assert [line["event"] for line in logs] == ["call_broken"]
    assert rig.ended.reason is EndReason.INTERNAL_ERROR
    assert rig.phone.closed == [(1011, "internal_error")]
    assert len(rig.model.closed) == 1


async def test_a_fault_of_ours_does_not_swallow_a_cancellation(monkeypatch: pytest.MonkeyPatch) -> None:
    async with mc.calling() as rig:
        await is_live(rig)
        mc.break_on(rig, e.ShutdownRequested)
        with structlog.testing.capture_logs():
            rig.running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await rig.running
    assert [len(rig.phone.closed), len(rig.model.closed)] == [1, 1]


async def test_the_phone_is_closed_after_the_last_entries_are_kept() -> None:
    """A closed phone makes Twilio ask for somebody who reads them."""
    may_keep, is_asked, asked = asyncio.Event(), asyncio.Event(), 0

    async def kept() -> bool:
        nonlocal asked
        asked += 1
        is_asked.set()
        return await may_keep.wait()

    async with mc.calling(kept=kept) as rig:
        await is_live(rig)
        assert asked == 0
        rig.phone.say(mc.STOP)
        await is_asked.wait()
        assert (rig.phone.closed, rig.model.closed) == ([], [])
        assert of(facts.StreamEnded, rig)  # It is among what is to be kept.
        may_keep.set()
        await rig.running
    assert rig.phone.closed == [(1000, "caller_hangup")]
    assert asked == 1


async def never() -> None:
    await asyncio.Event().wait()


async def fails() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(("kept", "line"), [(never, "entries_not_kept_in_time"), (fails, "call_broken")])
async def test_entries_that_are_not_kept_leave_no_socket(
    kept: Callable[[], Any], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold up nobody."""
    monkeypatch.setattr("callbridge.bridge.keeping.KEPT_WITHIN_S", 0.01)
    async with mc.calling(kept=kept) as rig:
        await is_live(rig)
        with structlog.testing.capture_logs() as logs:
            await rig.hangs_up()
    assert line in [logged["event"] for logged in logs]
    assert [len(rig.phone.closed), len(rig.model.closed)] == [1, 1]


async def test_a_model_that_answers_while_entries_are_kept_is_closed_too() -> None:
    may_keep, is_asked = asyncio.Event(), asyncio.Event()

    async def kept() -> bool:
        is_asked.set()
        return await may_keep.wait()

    async with mc.calling(kept=kept) as rig:
        await is_dialling(rig)
        rig.phone.end(PHONE_LOST)
        await is_asked.wait()
        rig.dialer.picks_up.set()
        await mc.until(lambda: bool(rig.dialer.opened))
        may_keep.set()
        await rig.running
    assert rig.model.closed == [(1000, "")]


@pytest.mark.parametrize("clip", [b"", bytes(range(256)) * 50], ids=["none", "a clip"])
async def test_a_caller_who_waits_for_a_session_hears_the_clip(clip: bytes) -> None:
    """One message, and a mark that tells when it was heard. Without a clip, nothing."""
    async with mc.calling(clip=clip, limits=Limits(connect_clip_after_s=0.01)) as rig:
        await is_dialling(rig)
        await mc.until(lambda: bool(of(facts.ClipPlayed, rig)))
        await rig.hangs_up()
    assert rig.phone.kinds() == (["media", "mark"] if clip else [])
    assert not clip or rig.phone.sent[0]["media"]["payload"] == mc.encoded(clip)
    assert len(of(facts.ClipPlayed, rig)) == 1


async def whole_life(rig: mc.Rig) -> None:
    """Waits, is dialled, loses its session, has another one, and is hung up."""
    await rig.goes_live()
    await rig.model.says(*mc.answer_begins("resp_1", "item_1"), mc.tool_call("forever"))
    rig.model.end(GONE)
    await rig.dialer.rings(2)
    await mc.until(lambda: len(rig.dialer.opened) == 2 and rig.dialer.opened[1].readers == 1)
    rig.phone.say(mc.STOP)
    await rig.running


@pytest.mark.parametrize("how_often", [1, 2])
async def test_a_call_that_is_cancelled_at_any_moment_leaves_nothing(how_often: int) -> None:
    """At every turn of the loop from its first step to its last, once and twice."""
    before = asyncio.all_tasks()
    for moment in range(1000):
        agent, ended = Agent(), False

        @agent.tool
        async def forever() -> None:
            """Wait."""
            await asyncio.Event().wait()

        async with mc.calling(agent, limits=Limits(linger_s=0.001)) as rig:
            await mc.steps(1)  # A task that never took a step has nothing to leave.
            living = asyncio.create_task(whole_life(rig))
            await mc.steps(moment)
            ended = rig.running.done()
            for _ in range(how_often):
                rig.running.cancel()
                await mc.steps(1)
            await asyncio.wait([rig.running])
            living.cancel()
            await asyncio.wait([living])
        assert living.cancelled() or living.exception() is None
        assert asyncio.all_tasks() == before
        stopped = rig.ended.reason is EndReason.SERVICE_STOPPED
        assert rig.phone.closed[0] == ((1001, "service_stopped") if stopped else (1000, "caller_hangup"))
        assert all(leg.closed and not leg.readers for leg in rig.dialer.opened), moment
        if ended:
            break
    assert ended


@pytest.mark.parametrize("end", ["hangs up", "is cancelled", "breaks"])
async def test_a_cancellation_while_the_legs_are_closed_closes_them_all_the_same(
    end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing is bounded, and nobody else would do it."""
    async with mc.calling() as rig:
        await is_live(rig)
        rig.phone.may_close.clear()
        with structlog.testing.capture_logs():
            if end == "hangs up":
                rig.phone.say(mc.STOP)
            elif end == "is cancelled":
                rig.running.cancel()
            else:
                mc.break_on(rig, realtime_events.SpeechStarted)
                rig.model.say(mc.SPEECH_STARTED)
            await mc.until(lambda: bool(rig.phone.closed))
            rig.running.cancel()
            await mc.until(lambda: len(rig.phone.closed) == 2)
            assert not rig.running.done()
            rig.phone.may_close.set()
            with pytest.raises(asyncio.CancelledError):
                await rig.running
    assert set(rig.phone.closed) == {(rig.phone.closed[0])}
    assert len(rig.model.closed) == 1
