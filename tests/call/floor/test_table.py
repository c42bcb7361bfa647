"""The table of the floor: it is whole, and a walk through all states that can be reached finds every cell."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call.floor.floor import Floor
from callbridge.call.floor.table import TABLE, Caller, Never, Next, Now, On
from callbridge.call.phases import Phase, Timer
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt
from rigs import PLAN, Input, make_plan

if TYPE_CHECKING:
    from enum import StrEnum

    from callbridge.call.plan import CallPlan

States: TypeAlias = tuple[Caller, Next, Now]


class Walker:
    """One call, and what a peer needs to know of it to go on."""

    def __init__(self, plan: CallPlan) -> None:
        self.rig = v.live(plan).rig
        self.ask_id = "cb_2"
        """Of the greeting."""
        self.responses = 0

    def feed(self, *events: Input) -> None:
        """Hands events in, and notes what was asked for."""
        for output in self.rig.feed(*events):
            match output:
                case a.SendToModel(commands.CreateResponse(event_id=str(ask_id))):
                    self.ask_id = ask_id

    def created(self, ask_id: str | None) -> None:
        """A response begins, which carries the id of an ask, or none."""
        self.responses += 1
        metadata = None if ask_id is None else {commands.ASK_ID: ask_id}
        self.feed(rt.ResponseCreated(rt.Response(f"r{self.responses}", "in_progress", metadata=metadata)))

    def wakes_for(self, why: Timer, within_s: float = 4) -> None:
        """Time passes up to this timer, if it is set."""
        until = self.rig.now + within_s
        while (due := self.rig.deadline) is not None and due[0] < until:
            self.rig.now = max(self.rig.now, due[0])
            self.feed(e.DeadlinePassed())
            if due[1] is why:
                return

    def says_all(self) -> None:
        """The response in progress is said, and its end does not come."""
        response = f"r{self.responses}"
        self.feed(*v.says(response, f"it{self.responses}", 20), v.audio_done(response, f"it{self.responses}"))
        self.wakes_for(Timer.ANSWER, within_s=9)

    def tells_keys(self) -> None:
        """The caller presses the last key, and the model is told."""
        self.feed(v.key("1"), v.key("#"))
        self.wakes_for(Timer.KEYS)

    def loses_session(self) -> None:
        """The session is lost, and another one stands."""
        self.feed(
            v.gone(e.Leg.MODEL), e.ModelConnected(), v.SESSION_CREATED, v.SESSION_UPDATED, v.SESSION_UPDATED
        )


STEPS: dict[str, Callable[[Walker], None]] = {
    "speech started": lambda walker: walker.feed(v.speech_started()),
    "speech stopped": lambda walker: walker.feed(v.speech_stopped()),
    "key": lambda walker: walker.feed(v.key("1")),
    "keys are told": lambda walker: walker.tells_keys(),
    "ours begins": lambda walker: walker.created(walker.ask_id),
    "theirs begins": lambda walker: walker.created(None),
    "another's begins": lambda walker: walker.created("cb_of_another"),
    "done": lambda walker: walker.feed(v.done(f"r{walker.responses}")),
    "ask refused": lambda walker: walker.feed(v.error("x", answers=walker.ask_id)),
    "promise refused": lambda walker: walker.feed(v.error("conversation_already_has_active_response")),
    "fault of the server": lambda walker: walker.feed(v.error("server_error")),
    "runs away": lambda walker: walker.feed(e.AnswerRanAway()),
    "muted for long": lambda walker: walker.wakes_for(Timer.MUTED),
    "said, and never done": lambda walker: walker.says_all(),
    "session lost": lambda walker: walker.loses_session(),
}


def cells() -> set[tuple[On, StrEnum]]:
    """Every event in every state in which it can come."""
    return {
        (on, state)
        for on, row in TABLE.items()
        for column in row
        for state, cell in column.items()
        if not isinstance(cell, Never)
    }


def test_every_event_has_a_cell_for_every_state() -> None:
    assert set(TABLE) == set(On)
    for caller, following, now in TABLE.values():
        assert (set(caller), set(following), set(now)) == (set(Caller), set(Next), set(Now))


def test_a_walk_through_all_states_comes_through_every_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step is tried in every state that steps lead to. None raises, and no cell is there in vain."""
    walked: set[tuple[On, StrEnum]] = set()
    floors: list[Floor] = []
    move = Floor.move

    def walking(floor: Floor, on: On) -> None:
        walked.update((on, state) for state in (floor.caller, floor.next, floor.now))
        floors[:] = [floor]
        move(floor, on)

    monkeypatch.setattr(Floor, "move", walking)
    plans = (PLAN, make_plan(is_greeting_interruptible=False))
    paths: deque[tuple[CallPlan, tuple[str, ...]]] = deque((plan, ()) for plan in plans)
    reached: set[tuple[bool, States, bool]] = set()
    while paths:
        plan, path = paths.popleft()
        walker = Walker(plan)
        for step in path:
            STEPS[step](walker)
        if walker.rig.phase is not Phase.LIVE:
            continue
        floor = floors[0]
        # What is owed decides what is asked for next, so a state counts twice.
        state = plan is PLAN, (floor.caller, floor.next, floor.now), bool(floor.debts)
        if state not in reached:
            reached.add(state)
            paths.extend((plan, (*path, step)) for step in STEPS)
    assert {(on.value, type(state).__name__, state.value) for on, state in cells() - walked} == set()
