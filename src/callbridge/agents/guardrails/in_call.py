"""The guardrails of an agent in one call: what it says is looked at as it comes, and stopped where one trips.

Looks are tasks beside the call. Nothing waits for them: the caller hears what is said until one trips, and
then no more of it.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, Final, Literal

from callbridge.agents.guardrails.asking import verdict_of
from callbridge.agents.guardrails.guardrail import SAY_MAX
from callbridge.agents.guardrails.watching import Spoken, Watch, is_begun_of
from callbridge.agents.texts import NoAnswer
from callbridge.call import facts
from callbridge.call.agent_facts import AgentChanged
from callbridge.call.wants import AgentSays, AgentTells, AnswerStopped, WishSet
from callbridge.call.wishes import HangUp

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Mapping, Sequence

    from callbridge.agents.context import Call
    from callbridge.agents.guardrails.guardrail import Guardrail, Looks
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.tools.tool import ToolResult
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact
    from callbridge.call.wants import KeysWanted

LOOK_S: Final = 2.0
"""What one look may take. Later than that most of a sentence was heard."""

TRIPS_MAX: Final = 5
"""So often the agent may be stopped in one call. A model that says such things again and again is not mended
by being told: it takes its leave, and the call ends. If that trips, too, it ends without."""

SAY_GOODBYE: Final = "The call ends now: say goodbye in a few words, and nothing else."

FAULTS_NOTED_MAX: Final = 3
"""Of one guardrail in one call: who reads the log has understood."""


class GuardrailsInCall:
    """Those of one call that look at words.

    Args:
        wants: where it writes.
        guardrails: what the user has written.
    """

    instructions = ""
    tools: Sequence[AnyTool] = ()
    keys: KeysWanted | None = None
    works: Mapping[str, AnyTool] = {}

    def __init__(self, wants: Wants, guardrails: Iterable[Guardrail]) -> None:
        self._wants, self._spoken = wants, Spoken()
        self._watches = [(guardrail, Watch(guardrail.every, guardrail.waits)) for guardrail in guardrails]
        self._names = {guardrail.name for guardrail, _ in self._watches}
        self._faults = dict.fromkeys(self._names, 0)
        self._trips = 0
        self._stopped: dict[str, tuple[Guardrail, str]] = {}
        """By what, and what is said in its place, of each item of which it is not known what became of it."""
        self._corrections: dict[str, None] = {}
        """Sentences that the agent was told to say, in order. Said as they are, they are not looked at."""
        self._call: Call[Any] | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._looks: set[asyncio.Task[None]] = set()

    async def prepare(self, call: Call[Any]) -> None:
        """Guardrails may want to know of which call it is."""
        self._call = call

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Looks begin."""
        self._tasks = tasks

    def hang_up(self) -> None:
        """Nobody hears anything any more."""
        self._tasks = None
        for look in tuple(self._looks):
            look.cancel()

    # --- What is said ---

    def hears(self, by: Literal["agent", "caller"], item_id: str, words: str) -> None:
        """A piece of an item's words."""
        if by == "agent":
            self._spoken.adds(item_id, words)
            self._look()

    def _look(self) -> None:
        """Begins the looks that are due."""
        for guardrail, watch in self._watches if self._tasks is not None else ():
            while (due := watch.next(self._spoken)) is not None:
                item_id, text = due
                if any(is_begun_of(text, sentence) for sentence in self._corrections):
                    continue
                watch.is_looking = True
                assert self._tasks is not None
                look = self._tasks.create_task(
                    self._looked(guardrail, watch, item_id, text), name=f"guardrail {guardrail.name}"
                )
                self._looks.add(look)
                look.add_done_callback(self._looks.discard)

    async def _looked(self, guardrail: Guardrail, watch: Watch, item_id: str, text: str) -> None:
        assert self._call is not None, "a call is prepared before it begins"
        function = _held(guardrail.function, watch)
        try:
            verdict = await verdict_of(function, guardrail.given(text, self._call), LOOK_S)
        except NoAnswer as none:  # As good as passed: what cannot be judged is not stopped.
            self._failed(guardrail, none.why)
        else:
            if verdict:
                self._tripped(guardrail, item_id, guardrail.say if verdict is True else verdict)
        watch.is_looking = False
        self._look()

    def _failed(self, guardrail: Guardrail, why: str) -> None:
        self._faults[guardrail.name] += 1
        if self._faults[guardrail.name] <= FAULTS_NOTED_MAX:
            self._wants.add(facts.warned("guardrail_failed", guardrail=guardrail.name, reason=why))

    def _tripped(self, guardrail: Guardrail, item_id: str, say: str) -> None:
        if not self._spoken.stops(item_id):
            return  # Another one was faster.
        say = " ".join(say.split())[:SAY_MAX]
        self._stopped[item_id] = guardrail, say
        if self._trips >= TRIPS_MAX:  # It was to take its leave: nobody waits for more of this.
            tells = _tells(guardrail, "", ends=True)
            self._wants.add(AnswerStopped(guardrail.name, item_id, tells, is_answered=False))
            return
        says = None
        if say:
            self._corrections[say] = None
            if len(self._corrections) > TRIPS_MAX:
                del self._corrections[next(iter(self._corrections))]
            says = AgentSays(self._wants.new_id("say"), say)
        tells = _tells(guardrail, say, ends=self._trips + 1 >= TRIPS_MAX)
        self._wants.add(AnswerStopped(guardrail.name, item_id, tells, says))

    # --- What becomes of it ---

    def restore(self, fact: Fact) -> None:
        """How often the agent was stopped on earlier streams. Who rests has its last words looked at yet."""
        match fact:
            case facts.GuardrailTripped(item_id=item_id) if item_id in self._stopped:
                self._came_of_it(fact, *self._stopped.pop(item_id))
            case facts.GuardrailTripped(guardrail) if guardrail in self._names:
                self._trips += fact.counts
            case AgentChanged():
                self._spoken.are_over()
                self._look()
            case _:
                pass

    def told(self, fact: Fact) -> None:
        """A response is over, or was cut: what it said last is looked at now. Or something was stopped."""
        match fact:
            case facts.Noted(event="response_done") | facts.Interrupted() | facts.ModelTrouble():
                self._spoken.are_over()
                self._look()
            case facts.GuardrailTripped(item_id=item_id) if item_id in self._stopped:
                self._came_of_it(fact, *self._stopped.pop(item_id))
            case _:
                pass

    def _came_of_it(self, fact: facts.GuardrailTripped, guardrail: Guardrail, say: str) -> None:
        if not fact.counts:
            return  # The caller has interrupted it before.
        self._trips += 1
        # They have heard it. It is put right as soon as nobody speaks.
        if not fact.was_cut and self._trips <= TRIPS_MAX:
            tells = _tells(guardrail, say, is_heard=True, ends=self._trips >= TRIPS_MAX)
            self._wants.add(AgentTells(tells, is_answered=not say))
            if say:
                self._wants.add(AgentSays(self._wants.new_id("say"), say))
        if self._trips >= TRIPS_MAX:
            self._wants.add(WishSet(HangUp()))

    def answered(self, tool: str, result: ToolResult, call: Call[Any]) -> None:
        """No tool is of a guardrail."""

    def pressed(self, _keys: str) -> str | None:
        """Nor any key."""
        return None


def _tells(guardrail: Guardrail, say: str, *, ends: bool, is_heard: bool = False) -> str:
    """What the model is told. `ends`: the call does, for it was told too often."""
    became = "has broken a rule" if is_heard else "was stopped, and the caller has not heard the rest of it"
    rule = guardrail.about or guardrail.name.replace("_", " ")
    told = f'You say now: "{say}"' if say else "" if ends else "Answer again, within the rule."
    what_next = " ".join(filter(None, (told, SAY_GOODBYE if ends else "")))
    return f"[Your last answer {became}. The rule: {rule} Do not say such a thing again. {what_next}]"


def _held(function: Looks, watch: Watch) -> Looks:
    """The function, which is not asked again as long as its thread hangs."""
    if inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    def ask(**given: Any) -> Any:
        watch.is_held = True
        try:
            return function(**given)
        finally:
            watch.is_held = False

    return ask
