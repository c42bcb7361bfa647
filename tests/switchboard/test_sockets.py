"""Sockets that are not a call yet: bounded, and of no use to who wants to keep callers out."""

from __future__ import annotations

from callbridge.switchboard.sockets import SOCKETS_MAX, UnStartedSockets


def full(awaited: int = 0) -> UnStartedSockets[str]:
    sockets = UnStartedSockets[str]()
    for number in range(SOCKETS_MAX + awaited):
        assert sockets.opened(f"stranger {number}", awaited) is None
    return sockets


def test_the_oldest_gives_way_and_is_forgotten() -> None:
    sockets = full()
    assert [sockets.opened(f"newer {number}", 0) for number in range(2)] == ["stranger 0", "stranger 1"]
    assert len(sockets) == SOCKETS_MAX
    for late in ("stranger 0", "stranger 0", "newer 0"):
        sockets.settled(late)
    assert len(sockets) == SOCKETS_MAX - 1
    assert sockets.opened("another", 0) is None


def test_whoever_is_vouched_for_stays() -> None:
    sockets = full()
    sockets.vouched_for("stranger 0")
    assert sockets.opened("newer", 0) == "stranger 1"
    sockets.vouched_for("stranger 1")
    assert len(sockets) == SOCKETS_MAX, "it had given way"


def test_calls_that_are_awaited_have_places_beside_the_others() -> None:
    sockets = full(awaited=7)
    assert sockets.opened("newer", 8) is None
    assert sockets.opened("newest", 8) == "stranger 0"


def test_those_who_wait_for_the_state_are_bounded_too() -> None:
    sockets = full()
    for number in range(SOCKETS_MAX):
        sockets.vouched_for(f"stranger {number}")
    assert not sockets.may_open(0)
    assert sockets.may_open(1)
    sockets.settled("stranger 9")
    assert sockets.may_open(0)


def test_a_caller_is_served_among_as_many_strangers_as_a_process_can_answer() -> None:
    """A thousand upgrades a second, none of which begins; a caller's `start` comes 200 ms after their own."""
    sockets = full()
    starts: dict[int, str] = {}
    gone: list[str | None] = []
    for ms in range(2000):
        gone.append(sockets.opened(f"attacker {ms}", len(starts)))
        if ms % 20 == 0:
            starts[ms + 200] = f"caller {ms}"
            gone.append(sockets.opened(f"caller {ms}", len(starts)))
        if (caller := starts.pop(ms, None)) is not None:
            sockets.vouched_for(caller)
            sockets.settled(caller)
    assert [socket for socket in gone if socket is not None and socket.startswith("caller")] == []
