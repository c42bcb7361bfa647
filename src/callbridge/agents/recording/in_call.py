"""The recording of one call: whether the caller was told, what they have answered, and what is left out.

Everything that it does follows from facts, so that it goes on in the next stream, or in another process: who
has agreed is not asked again, who has refused never.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.recording.recording import AGREE, REFUSE
from callbridge.agents.recording.words_heard import is_said_in
from callbridge.agents.tools.confirming import Question
from callbridge.agents.tools.given import GivenTool
from callbridge.agents.tools.tool import Manner, ToolRefused, ToolResult
from callbridge.call import agent_facts, facts
from callbridge.call import recording_facts as rf
from callbridge.call import wants as w
from callbridge.call.record_facts import NotKept

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callbridge.agents.context import Call
    from callbridge.agents.recording.recorder import Recorder
    from callbridge.agents.recording.recording import Recording
    from callbridge.agents.tools.given import AnyTool
    from callbridge.agents.wants import Wants
    from callbridge.call.facts import Fact
    from callbridge.call.wants import KeysWanted

KEPT_WITHIN_S: Final = 0.25
"""So long the beginning of a recording waits for its consent to be on disk."""

TRIES_MAX: Final = 3
"""So often an announcement is begun that is spoken into, or not said. Then the call goes on unrecorded."""

_NO_ARGUMENTS: Final = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}

_ENDED_BY_PHONE: Final = frozenset({facts.EndReason.CALLER_HANGUP, facts.EndReason.MEDIA_LOST})

_TOLD: Final = (
    "The caller was told that this call is recorded. When they do not want that, call refuse_recording; the "
    "call goes on unrecorded. Never talk them out of it."
)
_ASKED: Final = (
    "The caller is asked whether this call may be recorded. When they clearly agree, call "
    "agree_to_recording; when they do not want it, call refuse_recording. Either way the call goes on. If "
    "they say nothing to it, leave it at that; they may agree or refuse later, too."
)
_AGREED: Final = (
    "The caller has agreed to be recorded. When they do not want it any more, call refuse_recording."
)
_NOT_ASKED: Final = (
    "the caller was not asked yet, or has not answered yet; ask whether the call may be recorded, and call "
    "this when they have said yes"
)


class RecordingInCall:
    """An ability of a call that is to be recorded, whoever is on. It does nothing until it is allowed to.

    Args:
        recording: what the agent wishes.
        wants: where it writes.
        unrecorded: the steps of flows that are left out, by agent.
        agent: who takes the call.
    """

    keys: KeysWanted | None = None
    works: Mapping[str, AnyTool] = {}

    def __init__(
        self,
        recording: Recording,
        wants: Wants,
        unrecorded: Mapping[str, frozenset[str]] | None = None,
        agent: str = "",
    ) -> None:
        self._recording, self._wants, self._unrecorded = recording, wants, unrecorded or {}
        self._agent, self._steps = agent, dict[str, str]()
        """Who is on, and in which step of its flow each agent is."""
        self._recorder: Recorder | None = None
        self._is_allowed = False
        self._announcement = recording.announcement
        self._is_first_stream = True
        self._is_in_greeting = False
        self._said, self._tries = "", 0
        self._has_sounded = False
        """Audio was heard that was to say it; which words it had stands in the record of its turn."""
        self._question = Question()
        """Whether they have had a turn since they were asked."""
        self._is_consented = recording.consent == "none"
        self._is_refused = False
        self._is_paused, self._step_is_paused = False, False
        self._tasks: asyncio.TaskGroup | None = None
        self._is_begun, self._is_over = False, False

    # --- Before the stream begins ---

    def allow(self, usual: Mapping[str, str]) -> None:
        """There is a place for recordings.

        Args:
            usual: what the caller is told in the agent's language, by the kind of consent.
        """
        self._is_allowed = True
        self._announcement = self._announcement or usual.get(self._recording.consent, "")

    def greeting(self, greeting: str) -> str:
        """The greeting, with what has to be said about the recording; it is then told of as `Said`."""
        if not greeting or not self._is_first_stream or not self._is_owed:
            return greeting
        self._is_in_greeting, self._said = True, rf.GREETING
        parts = [self._announcement, greeting]
        return " ".join(parts if self._recording.consent == "announced" else reversed(parts))

    @property
    def is_in_greeting(self) -> bool:
        """Whether the greeting says it."""
        return self._is_in_greeting

    @property
    def _is_owed(self) -> bool:
        return self._is_allowed and not (self._is_consented or self._is_refused)

    def restore(self, fact: Fact) -> None:
        """Something happened on an earlier stream."""
        match fact:
            case facts.StreamStarted():
                self._is_first_stream = False
            case rf.ConsentGiven():
                self._is_consented = True
            case rf.ConsentRefused():
                self._is_refused = True
            case rf.RecordingPaused(step):
                self._is_paused, self._step_is_paused = True, bool(step)
            case rf.RecordingResumed():
                self._is_paused = self._step_is_paused = False
            case agent_facts.StepEntered() | agent_facts.AgentChanged():
                self._goes_on(fact)
            case _:
                pass

    def begin(self, tasks: asyncio.TaskGroup, recorder: Recorder | None) -> None:
        """The stream is admitted."""
        self._tasks, self._recorder = tasks, recorder
        if recorder is None or not self._is_allowed or self._is_refused:
            return
        if self._is_consented:
            self._start()
        elif not self._is_in_greeting:
            self._announce()

    # --- What the model has ---

    @property
    def instructions(self) -> str:
        """What the model is told of it."""
        if not self._is_allowed or self._is_refused or self._recording.consent == "none":
            return ""
        if self._recording.consent == "announced":
            return _TOLD
        return _AGREED if self._is_consented else _ASKED

    @property
    def tools(self) -> Sequence[AnyTool]:
        """How the caller's answer is told."""
        if not self._is_allowed or self._is_refused:
            return ()
        made = {AGREE: self._agree_tool, REFUSE: self._refuse_tool}
        names = self._recording.tool_names
        return [made[name]() for name in names if name != AGREE or not self._is_consented]

    def _refuse_tool(self) -> GivenTool:
        what = "The caller does not want this call to be recorded. What was recorded of it is deleted."
        return GivenTool(REFUSE, what, _NO_ARGUMENTS, self._refuse)

    def _agree_tool(self) -> GivenTool:
        what = "The caller was asked whether this call may be recorded, and has clearly agreed."
        manner = Manner(awaits_answer=True, is_momentary=True)
        return GivenTool(AGREE, what, _NO_ARGUMENTS, self._agree, manner)

    def _refuse(self, _arguments: dict[str, Any], _call: Call[Any]) -> ToolResult:
        if not self._is_refused:
            self._is_refused = True
            self._wants.add(rf.ConsentRefused())
            self._stop("refused")
        return ToolResult('{"status": "not recorded", "what_next": "Say so in a few words, and go on."}')

    def _agree(self, _arguments: dict[str, Any], _call: Call[Any]) -> ToolResult:
        if self._is_refused:
            raise ToolRefused("the caller has refused: they are not recorded in this call")
        if not self._question.is_answered:
            raise ToolRefused(_NOT_ASKED)
        self._consented()
        return ToolResult('{"status": "recorded", "what_next": "Go on with the call."}')

    # --- What happens ---

    def told(self, fact: Fact) -> None:
        """Something has happened."""
        match fact:
            case facts.Said(say_id, heard_percent) if self._said and say_id == self._said:
                self._said, self._has_sounded = "", heard_percent == 100
                if not self._has_sounded:
                    self._announced(is_said=False)
            case facts.TurnEnded(agent=heard) if self._has_sounded:
                self._has_sounded = False
                self._announced(is_said=is_said_in(self._announcement, heard))
            case facts.ItemHeard():
                pass  # Only the question itself counts.
            case rf.ConsentGiven():
                self._start()
            case agent_facts.StepEntered() | agent_facts.AgentChanged():
                self._goes_on(fact)
                self._stand()
            case facts.StreamEnded(reason):
                self._is_over = True
                if self._recorder is not None:
                    self._recorder.end(is_by_phone=reason in _ENDED_BY_PHONE)
            case _:
                self._question.told(fact)

    def _announced(self, *, is_said: bool) -> None:
        """The announcement is over. What a model was told to say, and said otherwise, is none."""
        if self._is_refused or self._is_consented:
            return
        if not is_said:
            self._announce()
        elif self._recording.consent == "announced":
            self._consented()
        else:
            self._question.is_heard = True

    def _announce(self) -> None:
        if self._is_over or self._tries >= TRIES_MAX:
            self._wants.add(facts.warned("recording_not_announced", tries=self._tries))
            return
        self._tries += 1
        self._said = self._wants.new_id("say")
        self._wants.add(w.AgentSays(self._said, self._announcement))

    def _consented(self) -> None:
        self._is_consented = True
        is_asked = self._recording.consent == "asked"
        self._wants.add(rf.ConsentGiven("asked" if is_asked else "announced", self._announcement))

    def _start(self) -> None:
        """The recording begins, once the consent is on disk."""
        if self._recorder is not None and self._tasks is not None and not self._is_begun:
            self._is_begun = True
            self._tasks.create_task(self._begin(self._recorder), name=f"recording {self._recorder.name}")

    async def _begin(self, recorder: Recorder) -> None:
        if self._recording.consent != "none":
            loop = asyncio.get_running_loop()
            began_at, is_kept = loop.time(), False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KEPT_WITHIN_S):
                    is_kept = await recorder.kept()
            if not is_kept:
                self._wants.add(NotKept("consent", round((loop.time() - began_at) * 1000)))
        if self._is_refused or self._is_over:
            return
        self._wants.add(rf.RecordingBegan(recorder.name))
        recorder.begin(self._failed)
        if self._is_paused:
            recorder.pause()

    def _failed(self, why: str) -> None:
        """The recorder has given up; in any thread."""
        assert self._recorder is not None
        self._wants.add(rf.RecordingEnded(self._recorder.name, why))

    def _stop(self, why: str) -> None:
        if self._recorder is not None and self._is_begun:
            self._recorder.discard()
            self._wants.add(rf.RecordingEnded(self._recorder.name, why))

    # --- What is left out ---

    def pause(self, step: str = "") -> None:
        """See `Call.pause_recording`. In any thread."""
        if self._is_allowed and not self._is_paused:
            self._is_paused, self._step_is_paused = True, bool(step)
            if self._recorder is not None:
                self._recorder.pause()
            self._wants.add(rf.RecordingPaused(step))

    def resume(self, step: str = "") -> None:
        """See `Call.resume_recording`. In any thread."""
        if self._is_allowed and self._is_paused:
            self._is_paused = self._step_is_paused = False
            if self._recorder is not None:
                self._recorder.resume()
            self._wants.add(rf.RecordingResumed(step))

    def _goes_on(self, fact: agent_facts.StepEntered | agent_facts.AgentChanged) -> None:
        match fact:
            case agent_facts.StepEntered(step):
                self._steps[self._agent] = step
            case agent_facts.AgentChanged(agent):
                self._agent = agent

    def _stand(self) -> None:
        """In this step, of who is on. What the code of the agent has paused stays so until it resumes it."""
        step = self._steps.get(self._agent, "")
        if step in self._unrecorded.get(self._agent, frozenset()):
            self.pause(step)
        elif self._step_is_paused:
            self.resume(step)

    # --- The rest of an ability ---

    def answered(self, tool: str, result: ToolResult, _call: Call[Any]) -> None:
        """No other tool has to do with it."""

    def pressed(self, _keys: str) -> str | None:
        """Keys are no answer."""
        return None
