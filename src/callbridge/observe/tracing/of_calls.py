"""Facts of calls in, spans out, each when it is over. Pure: when a fact came is told with it.

- `invoke_agent`: a turn, from the end of the caller's speech to the end of the answer, or its interruption.
- `chat`: a response of the model, in its turn; with what it was billed for.
- `transcribe`: what the writing down of an utterance was billed for, in its turn.
- `execute_tool`: a tool while it ran, in the turn that led to it.
- `connect`, `replace session`: how there came to be a session of the model.
- `wait for disk`: what was to be on disk in time, and was not.
- `end`: from the end of a stream until nothing of it is left, with the figures of all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from callbridge.call import facts
from callbridge.call.agent_facts import AgentChanged, GuestChanged, StepEntered
from callbridge.call.memory import ToolAnswered, ToolStarted
from callbridge.observe.tracing import names
from callbridge.observe.tracing.of_stream import SpansOfStream, fields_of
from callbridge.observe.tracing.of_turns import Response, Turns
from callbridge.observe.tracing.spans import Words
from callbridge.observe.tracing.spending import billed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.call.facts import Fact
    from callbridge.observe.tracing.spans import Span, SpanEvent, Value

READ: Final = (
    *(facts.StreamStarted, facts.AgentReady, facts.ModelTrouble, facts.SessionReplaced, facts.ClipPlayed),
    *(facts.Remembered, facts.ToolUsed, facts.Interrupted, facts.CallerSpoke, facts.KeysPressed),
    *(facts.ItemHeard, facts.SessionAmended, facts.TurnEnded, facts.Billed, facts.StreamEnded),
    *(facts.CallClosed, facts.Noted, facts.NotKept, StepEntered, AgentChanged),
    *(GuestChanged, facts.GuardrailTripped),
)
"""The facts that spans are made of."""

_TOLD: Final = frozenset({"greeting_cut", "model_error", "speech_ended_unseen", "farewell_withdrawn"})
"""Notes that are events beside all warnings."""

_EVENTS: Final = (
    *(facts.ClipPlayed, facts.SessionAmended, facts.GuardrailTripped),
    *(StepEntered, AgentChanged, GuestChanged),
)
"""What is an event of the turn that goes on, with all that is told of it."""

_FIGURES: Final = (
    *("duration_ms", "turns", "interruptions", "tools_used", "tools_failed", "frames_from_phone"),
    *("frames_to_model", "frames_dropped", "frames_to_phone", "audio_to_phone_ms", "deltas_dropped"),
    *("first_audio_ms", "response_ms_p50", "response_ms_max", "errors"),
)
"""What is told of a stream at its end."""


class SpansOfCalls:
    """Makes spans of the facts of all calls."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}

    def __len__(self) -> int:
        """How many streams are not over."""
        return len(self._streams)

    def take(self, fact: Fact, at: float) -> list[Span]:
        """A fact that came at `at`, in seconds since 1970. Answers the spans that are over by that."""
        if isinstance(fact, facts.StreamStarted):
            self._streams[fact.source] = _Stream(SpansOfStream(fact, at))
            return []
        stream = self._streams.get(fact.source)
        if stream is None:  # It was not admitted, or a webhook has learnt it.
            return []
        stream.take(fact)
        if isinstance(fact, facts.CallClosed):
            del self._streams[fact.source]
        return stream.spans.taken()


@dataclass(slots=True)
class _Tool:
    """One that has begun."""

    began_ms: int
    turn: int
    arguments: str = ""
    result: str = ""


class _Stream:
    """What is known of one stream."""

    def __init__(self, spans: SpansOfStream) -> None:
        self.spans = spans
        self._turns = Turns(spans)
        self._tools: dict[str, _Tool] = {}
        self._bills: dict[str, facts.Billed] = {}
        """Of responses whose end is not noted yet."""
        self._all_microdollars = self._line_microdollars = 0
        self._troubles: list[SpanEvent] = []
        """On the way to the next session."""
        self._end: facts.StreamEnded | None = None

    def take(self, fact: Fact) -> None:
        """One fact, in order."""
        match fact:
            case facts.CallerSpoke():
                self._turns.spoke(fact)
            case facts.TurnEnded():
                self._turns.recorded(fact)
            case facts.ItemHeard():
                self._turns.heard(fact)
            case facts.Interrupted():
                self._turns.interrupted(fact)
            case facts.Remembered(ToolStarted() | ToolAnswered() as entry):
                self._tool_remembered(entry, fact.at_ms)
            case facts.ToolUsed():
                self._tool_used(fact)
            case facts.Billed():
                self._billed(fact)
            case facts.Noted():
                self._noted(fact)
            case facts.AgentReady() | facts.SessionReplaced():
                self._session(fact)
            case facts.StreamEnded():
                self._end = fact
            case facts.CallClosed():
                self._closed(fact)
            case _:
                self._happened(fact)

    def _happened(self, fact: Fact) -> None:
        match fact:
            case facts.ModelTrouble():
                self._troubles.append(self.spans.event(fact.kind, fact.at_ms, fields_of(fact)))
            case facts.NotKept(what, waited_ms):
                told: dict[str, Value] = {f"{names.OURS}what": what}
                between_ms = fact.at_ms - waited_ms, fact.at_ms
                self.spans.tell("wait for disk", ("not kept", fact.number), between_ms, told)
            case facts.KeysPressed(keys):  # Which ones may be a secret.
                pressed = self.spans.event(fact.kind, fact.at_ms, {f"{names.OURS}count": len(keys)})
                self._turns.happened(pressed)
            case _ if isinstance(fact, _EVENTS):
                self._turns.happened(self.spans.event(fact.kind, fact.at_ms, fields_of(fact)))
            case _:
                pass

    def _session(self, fact: facts.AgentReady | facts.SessionReplaced) -> None:
        """There is a session: the first, or another one."""
        self.spans.model = fact.model or self.spans.model
        is_first = isinstance(fact, facts.AgentReady)
        events, self._troubles = tuple(self._troubles), []
        self.spans.tell(
            f"connect {self.spans.model}" if is_first else "replace session",
            ("session", fact.number),
            (fact.at_ms - fact.after_ms, fact.at_ms),
            self.spans.of_model() | fields_of(fact),
            events=events,
            is_of_peer=True,
        )

    # --- Responses and what they cost ---

    def _noted(self, note: facts.Noted) -> None:
        fields = dict(note.fields)
        if note.event in {"response_done", "response_done_unexpected"}:
            self._response_done(note, fields)
        if note.is_warning or note.event in _TOLD:
            told: dict[str, Value] = {
                f"{names.OURS}{name}": value for name, value in fields.items() if value is not None
            }
            self._turns.happened(self.spans.event(note.event, note.at_ms, told))

    def _response_done(
        self, note: facts.Noted, fields: Mapping[str, str | int | float | bool | None]
    ) -> None:
        """Its bill stands before it. One that nobody waited for any more says less of itself."""
        response_id = str(fields.get("response_id"))
        began_ms = int(fields.get("began_ms", note.at_ms) or 0)
        status, bill = str(fields.get("status") or ""), self._bills.pop(response_id, None)
        turn = int(fields.get("turn") or self._turns.latest)
        self._turns.answered(Response(response_id, began_ms, note.at_ms, status, bill), turn)

    def _billed(self, bill: facts.Billed) -> None:
        self._all_microdollars += bill.cost_microdollars
        match bill.what:
            case "line":
                self._line_microdollars += bill.cost_microdollars
            case "response":
                self._bills[bill.billed_id] = bill
            case "transcription":
                self._transcribed(bill)

    def _transcribed(self, bill: facts.Billed) -> None:
        """Began when the caller had spoken; ends when the words came."""
        turn, began_ms = self._turns.latest_speech(bill.at_ms)
        self.spans.tell(
            f"{names.TRANSCRIBE} {bill.priced_as}",
            ("bill", bill.number),
            (began_ms, bill.at_ms),
            self.spans.of_model(bill.priced_as) | {names.OPERATION: names.TRANSCRIBE} | billed(bill),
            turn=turn,
            is_of_peer=True,
        )

    # --- Tools ---

    def _tool_remembered(self, entry: ToolStarted | ToolAnswered, at_ms: int) -> None:
        tool = self._tools.setdefault(entry.call_id, _Tool(at_ms, entry.turn, entry.arguments))
        if isinstance(entry, ToolAnswered):
            tool.result = entry.output

    def _tool_used(self, used: facts.ToolUsed) -> None:
        """It has answered. Before it ran it may have waited for the disk, and for its place."""
        tool = self._tools.pop(used.call_id, None) or _Tool(used.at_ms, used.turn)
        began_ms = max(used.at_ms - used.duration_ms, tool.began_ms)
        told: dict[str, Value] = {
            names.OPERATION: names.EXECUTE_TOOL,
            names.TOOL_NAME: used.name,
            names.TOOL_TYPE: "function",
            names.TOOL_CALL_ID: used.call_id,
            f"{names.OURS}outcome": used.outcome.value,
            f"{names.OURS}waited_ms": began_ms - tool.began_ms,
        }
        words = {names.TOOL_ARGUMENTS: tool.arguments, names.TOOL_RESULT: tool.result}
        self.spans.tell(
            f"{names.EXECUTE_TOOL} {used.name}",
            ("tool", used.call_id, used.number),
            (began_ms, used.at_ms),
            told | {name: Words(text) for name, text in words.items() if text},
            turn=used.turn or tool.turn,
            fault=used.outcome.value if used.outcome.is_fault else "",
        )

    # --- The end ---

    def _closed(self, closed: facts.CallClosed) -> None:
        """Nothing follows: what was waited for is told as it is known."""
        for bill in self._bills.values():
            response = Response(bill.billed_id, bill.at_ms, bill.at_ms, "", bill)
            self._turns.answered(response, self._turns.latest)
        events = [*self._troubles, *self._turns.end()]
        end = self._end
        if end is None:
            return
        told: dict[str, Value] = {
            f"{names.OURS}{name}": value for name in _FIGURES if (value := getattr(end, name)) is not None
        }
        told[f"{names.OURS}end_reason"] = end.reason.value
        told[f"{names.OURS}bill_usd"] = self._all_microdollars / 1e6
        if end.detail:
            told[f"{names.OURS}detail"] = end.detail
        if self._line_microdollars:  # What no other span was billed for: with it they sum to the bill.
            told[names.COST_USD] = self._line_microdollars / 1e6
        self.spans.tell(
            "end",
            ("end",),
            (closed.at_ms - closed.after_ms, closed.at_ms),
            told,
            events=events,
            fault="" if end.reason.is_normal else end.reason.value,
        )
