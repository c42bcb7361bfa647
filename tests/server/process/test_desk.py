"""The desk: what a process knows when it begins, what it looks at, and how settings become its parts."""

from __future__ import annotations

from callbridge.server.config.fallback import fallback_plan
from callbridge.server.process.desk import REMEMBERED_S, Desk, open_desk
from callbridge.server.process.model_dialing import model_dialer
from callbridge.server.process.taking import offer
from callbridge.state.memory_state import MemoryState
from callbridge.switchboard.admission import DeclineReason
from callbridge.telephony.ladder import FallbackPlan
from callbridge.telephony.signatures import sign
from callbridge.telephony.signed_tokens import Redeemed, StreamClaim
from callbridge.telephony.twiml import Words
from desks import APOLOGY, AUTH_TOKEN, BASE, CALL, CALLER, FrontDesk, made_settings
from leftovers import until

WALL = 1_800_000_000.0


def desk_with(state: MemoryState, **environment: str) -> Desk:
    """The desk of a process that begins now."""
    return open_desk(made_settings(environment), state=state, now=lambda: 50.0, wall_now=lambda: WALL)


async def test_a_caller_is_known_by_a_key_that_is_not_the_number() -> None:
    """The same on every process of the account, another with another secret, and without a digit of it."""
    key = FrontDesk().desk.caller_key(CALLER)
    assert key == FrontDesk().desk.caller_key(CALLER)
    assert key != FrontDesk().desk.caller_key(CALLER[:-1] + "9")
    assert key != FrontDesk({"TWILIO_AUTH_TOKEN": "0" * 32}).desk.caller_key(CALLER)
    assert CALLER[-7:] not in key


def test_host_with_capitals_is_signed_as_it_was_entered_or_in_lower_case() -> None:
    """In the console, and where Twilio is told addresses."""
    settings = made_settings({"PUBLIC_BASE_URL": "HTTPS://Calls.Example.COM/"})
    check = open_desk(settings).signature_check
    assert check is not None
    for host in ("Calls.Example.COM", "calls.example.com"):
        signature = sign(AUTH_TOKEN, f"https://{host}/twilio/voice", [("CallSid", CALL)])
        assert check.accepts_post("/twilio/voice", "", [("CallSid", CALL)], signature)
    assert check.accepts_upgrade("/media-stream", sign(AUTH_TOKEN, settings.stream_url))


async def test_a_key_of_our_own_outlives_a_rotation() -> None:
    """With it callers are the same, and so are stream tokens, whatever the auth token has become."""
    ours = {"CALLBRIDGE_SECRET_KEY": "k" * 32}
    before, after = FrontDesk(ours), FrontDesk(ours | {"TWILIO_AUTH_TOKEN": "0" * 32})
    assert before.desk.caller_key(CALLER) == after.desk.caller_key(CALLER)
    assert before.desk.caller_key(CALLER) != FrontDesk().desk.caller_key(CALLER)
    for issuer, is_known in (
        (before, True),
        (FrontDesk({"TWILIO_AUTH_TOKEN": "0" * 32}), True),
        (FrontDesk(), False),
    ):
        token = issuer.desk.tokens.issue(StreamClaim(CALL, "AC1", CALLER, "+1"), WALL)
        found = after.desk.tokens.check(token, CALL, "AC1", CALLER, "+1", WALL)
        assert isinstance(found, Redeemed) is is_known


async def test_calls_of_the_process_before_count() -> None:
    """A crash does not give a caller a new day; yesterday is over all the same."""
    state = MemoryState(lambda: WALL)
    desk = desk_with(state, CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES="2", CALLBRIDGE_CALLS_PER_CALLER_DAY="3")
    key, other = desk.caller_key(CALLER), desk.caller_key("+14155550111")
    for ago_s in (60.0, 30.0):
        state.note_call(key, WALL - ago_s)
    for _ in range(3):
        state.note_call(other, WALL - REMEMBERED_S - 1)
    async with desk.opened():
        assert await offer(desk, CALL, CALLER, "m") is DeclineReason.CALLER_LIMIT
        assert await offer(desk, CALL, "+14155550111", "m") is None


async def test_money_spent_by_the_process_before_counts() -> None:
    """The cap of an hour holds over a restart."""
    state = MemoryState(lambda: WALL)
    desk = desk_with(state, CALLBRIDGE_SPEND_PER_HOUR_MAX="2.50")
    state.note_spend(WALL - 600, 2_400_000)
    async with desk.opened():
        assert desk.reasons_to_decline() == []
        desk.spending.add(50.0, 100_000)
        assert desk.reasons_to_decline() == [DeclineReason.SPEND]


async def test_a_note_of_money_that_cannot_be_keeps_no_process_from_starting() -> None:
    """Others may write into a database that is shared."""
    state = MemoryState(lambda: WALL)
    state.note_spend(WALL, -5)
    state.note_spend(WALL, 7)
    desk = desk_with(state)
    await desk.restore()
    assert desk.spending.hour_microdollars(50.0) == 7


async def test_the_desk_looks_around_before_it_answers() -> None:
    """Drain, store and loop are looked at each time: what has passed is no refusal any more."""
    front = FrontDesk()
    assert front.desk.reasons_to_decline() == []
    front.loop_watch.is_late = True
    assert front.desk.reasons_to_decline() == [DeclineReason.LOOP_LAG]
    front.state.told_trouble = "the disk is full"
    assert front.desk.reasons_to_decline() == [DeclineReason.STATE, DeclineReason.LOOP_LAG]
    front.state.told_trouble, front.loop_watch.is_late = None, False
    assert front.desk.reasons_to_decline() == []
    front.desk.drain.begin()
    assert front.desk.reasons_to_decline() == [DeclineReason.DRAINING]
    assert open_desk(made_settings()).reasons_to_decline() == [], "a desk without a loop watch"


async def test_sessions_that_wait_are_closed_with_the_desk() -> None:
    front = FrontDesk()
    async with front.desk.opened():
        front.desk.waiting.predial(CALL, "gpt-realtime-2.1")
        assert await until(lambda: bool(front.dialer.dialled))
        assert len(front.desk.waiting) == 1
    assert len(front.desk.waiting) == 0


def test_the_model_is_dialled_over_tls_except_on_loopback() -> None:
    assert model_dialer(made_settings()).tls is not None
    plain = made_settings({"CALLBRIDGE_REALTIME_URL": "ws://127.0.0.1:9/v1/realtime"})
    assert model_dialer(plain).tls is None
    assert "sk-test" not in repr(model_dialer(plain))


def test_the_fallback_is_what_the_settings_say() -> None:
    """Without them there is voicemail, and no human."""
    assert (fallback_plan(made_settings()).dial, fallback_plan(made_settings()).has_voicemail) == ("", True)
    dial = {"CALLBRIDGE_FALLBACK_DIAL": "+14155550123", "CALLBRIDGE_FALLBACK_DIAL_SECONDS": "25"}
    assert fallback_plan(
        made_settings(dial | {"CALLBRIDGE_VOICEMAIL_PROMPT": "After the tone."})
    ) == FallbackPlan(
        apology=Words(APOLOGY),
        dial="+14155550123",
        dial_seconds=25,
        has_voicemail=True,
        voicemail_prompt=Words("After the tone."),
        dialed_url=f"{BASE}/twilio/fallback-dialed",
        voicemail_left_url=f"{BASE}/twilio/voicemail-left",
        voicemail_status_url=f"{BASE}/twilio/voicemail-status",
    )
