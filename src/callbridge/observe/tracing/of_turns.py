"""The turns of one stream, and the responses of the model in them, as spans.

A turn is told when it is on record and it is known when the last of it was heard. Its record may come late,
because it waits for the caller's words, and more of its answer may be heard after that. What happens belongs
to the turn that goes on; an interruption to that of the items which it cuts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from callbridge.observe.tracing import names
from callbridge.observe.tracing.spans import Words
from callbridge.observe.tracing.spending import billed

if TYPE_CHECKING:
    from callbridge.call import facts
    from callbridge.observe.tracing.of_stream import SpansOfStream
    from callbridge.observe.tracing.spans import SpanEvent, Value


@dataclass(slots=True)
class Response:
    """A response of the model that is over."""

    response_id: str
    began_ms: int
    ended_ms: int
    status: str
    bill: facts.Billed | None


@dataclass(slots=True)
class _Turn:
    """A turn that is not told yet."""

    number: int
    record: facts.TurnEnded | None = None
    recorded_ms: int = 0
    cut: facts.Interrupted | None = None
    heard: dict[str, facts.ItemHeard] = field(default_factory=dict)
    responses: list[Response] = field(default_factory=list)
    events: list[SpanEvent] = field(default_factory=list)

    @property
    def is_heard(self) -> bool:
        """Whether it is known of each of its items when it ended."""
        cut = set() if self.cut is None else _items(self.cut)
        items = () if self.record is None else self.record.items
        return all(
            item.sent_ms or item.was_cut or item.item_id in self.heard or item.item_id in cut
            for item in items
        )


class Turns:
    """The turns of one stream that are not told yet."""

    def __init__(self, spans: SpansOfStream) -> None:
        self._spans = spans
        self._turns: dict[int, _Turn] = {}
        self._told: set[int] = set()
        self._began: dict[int, int] = {}
        self._spoken: dict[int, int] = {}
        """When the caller's speech began and ended, by turn."""
        self._events: list[SpanEvent] = []
        self._cuts: list[facts.Interrupted] = []
        """Of no turn so far, both."""
        self.latest = 0
        """The last one on record."""

    # --- What is learnt ---

    def spoke(self, fact: facts.CallerSpoke) -> None:
        """An utterance is over."""
        if fact.record and fact.speech is not None:
            self._began.setdefault(fact.record, fact.speech.began_ms)
            self._spoken[fact.record] = fact.speech.ended_ms

    def latest_speech(self, before_ms: int) -> tuple[int, int]:
        """The turn in which the caller spoke last, and when they ended."""
        turn = max(self._spoken, default=self.latest)
        return turn, min(self._spoken.get(turn, before_ms), before_ms)

    def recorded(self, record: facts.TurnEnded) -> None:
        """A turn is on record."""
        turn = self._turn(record.turn)
        turn.record, turn.recorded_ms = record, record.at_ms
        self.latest = max(self.latest, record.turn)
        items = {item.item_id for item in record.items}
        cut = next((cut for cut in self._cuts if _items(cut) & items), None)
        if cut is not None:
            self._cuts.remove(cut)
            self._cut(turn, cut)
        ends_at = self._spans.at(min((ms for n, ms in self._began.items() if n > record.turn), default=2**40))
        turn.events += (event for event in self._events if event.at < ends_at)
        self._events = [event for event in self._events if event.at >= ends_at]
        self._settle()

    def heard(self, fact: facts.ItemHeard) -> None:
        """An item was heard to its end."""
        for turn in self._turns.values():
            turn.heard[fact.item_id] = fact
        self._settle()

    def interrupted(self, cut: facts.Interrupted) -> None:
        """The answer of a turn was cut. One that is not on record yet will name its items."""
        for turn in self._turns.values():
            items = () if turn.record is None else turn.record.items
            if {item.item_id for item in items} & _items(cut):
                self._cut(turn, cut)
                self._settle()
                return
        self._cuts.append(cut)

    def happened(self, event: SpanEvent) -> None:
        """Something in the turn that goes on."""
        self._events.append(event)

    def answered(self, response: Response, number: int) -> None:
        """A response is over. Its turn may be told already."""
        if number in self._told:
            self._tell_response(response, number)
        else:
            self._turn(number).responses.append(response)

    def end(self) -> list[SpanEvent]:
        """Nothing more will be learnt. Answers what has happened in no turn."""
        for number in sorted(self._turns):
            self._tell(self._turns.pop(number))
        return [*self._events, *map(self._interruption, self._cuts)]

    def _turn(self, number: int) -> _Turn:
        return self._turns.setdefault(number, _Turn(number))

    def _cut(self, turn: _Turn, cut: facts.Interrupted) -> None:
        turn.cut = turn.cut or cut
        turn.events.append(self._interruption(cut))

    # --- What is told ---

    def _settle(self) -> None:
        """Tells the turns of which all is known; of earlier ones nothing more can be heard."""
        ready = [
            number
            for number, turn in self._turns.items()
            if turn.record is not None and (turn.is_heard or number < self.latest)
        ]
        for number in ready:
            self._tell(self._turns.pop(number))

    def _tell(self, turn: _Turn) -> None:
        for response in turn.responses:
            self._tell_response(response, turn.number, turn.record)
        if turn.record is None:  # It never was one: a response has begun, and said nothing.
            self._events += turn.events
            return
        self._told.add(turn.number)
        self._spans.tell(
            f"{names.INVOKE_AGENT} {self._spans.agent}".rstrip(),
            ("turn", turn.number),
            _times(turn, turn.record),
            self._spans.of_model() | _attributes(turn, turn.record),
            events=sorted(turn.events, key=lambda event: event.at),
        )

    def _tell_response(self, done: Response, number: int, record: facts.TurnEnded | None = None) -> None:
        told = self._spans.of_model("" if done.bill is None else done.bill.priced_as) | {
            names.OPERATION: names.CHAT,
            names.OUTPUT_TYPE: names.SPEECH,
            names.RESPONSE_ID: done.response_id,
        }
        if done.status:
            told[names.FINISH_REASONS] = (done.status,)
        answer = None if record is None else record.answer
        if answer is not None and answer.created_ms == done.began_ms and answer.sent_ms is not None:
            told[names.FIRST_CHUNK_S] = (answer.sent_ms - done.began_ms) / 1000
        self._spans.tell(
            f"{names.CHAT} {told[names.REQUEST_MODEL]}",
            ("response", done.response_id),
            (done.began_ms, done.ended_ms),
            told | billed(done.bill),
            turn=number,
            is_of_peer=True,
            fault=done.status if done.status in {"failed", "incomplete"} else "",
        )

    def _interruption(self, cut: facts.Interrupted) -> SpanEvent:
        told: dict[str, Value] = {
            names.HEARD_MS: sum(heard_ms for _, heard_ms in cut.truncated),
            names.UNHEARD_MS: cut.unheard_ms,
            names.HEARD_ITEMS: tuple(item_id for item_id, _ in cut.truncated),
            names.HEARD_ITEMS_MS: tuple(heard_ms for _, heard_ms in cut.truncated),
            names.DELETED_ITEMS: cut.deleted,
        }
        if cut.after_ms is not None:
            told[f"{names.OURS}after_ms"] = cut.after_ms
        known = {name: value for name, value in told.items() if value != ()}
        return self._spans.event("interrupted", cut.at_ms, known)


def _items(cut: facts.Interrupted) -> set[str]:
    return {*dict(cut.truncated), *cut.deleted}


def _times(turn: _Turn, record: facts.TurnEnded) -> tuple[int, int]:
    """From the end of the caller's speech, or where what is unasked began, to the end of what was heard."""
    answer = record.answer
    begins = [speech.ended_ms for speech in record.speech]
    if answer is not None:
        begins = [ms for ms in (answer.ended_ms,) if ms is not None] or begins
        unasked = answer.asked_ms, answer.created_ms, answer.sent_ms
        begins = begins or [ms for ms in unasked if ms is not None]
    began_ms = begins[0] if begins else turn.recorded_ms
    heard = (turn.heard.get(item.item_id, item) for item in record.items)
    ends = [item.ended_ms for item in heard if item.ended_ms is not None]
    if turn.cut is not None:
        ends.append(turn.cut.at_ms)
    ends = ends or [response.ended_ms for response in turn.responses]
    return began_ms, max(ends, default=began_ms)


def _attributes(turn: _Turn, record: facts.TurnEnded) -> dict[str, Value]:
    told: dict[str, Value] = {
        names.OPERATION: names.INVOKE_AGENT,
        names.OUTPUT_TYPE: names.SPEECH,
        names.TURN: turn.number,
        f"{names.OURS}was_interrupted": record.interrupted or turn.cut is not None,
    }
    answer = record.answer
    if record.response_ms is not None:
        told[names.FIRST_AUDIO_MS] = record.response_ms
    if answer is not None and answer.ended_ms is not None and answer.heard_ms is not None:
        told[names.FIRST_HEARD_MS] = answer.heard_ms - answer.ended_ms
    if record.speech:
        told[f"{names.OURS}spoke_ms"] = sum(one.ended_ms - one.began_ms for one in record.speech)
    if record.caller:
        told[names.INPUT_MESSAGES] = Words(record.caller, "user")
    if record.agent:
        told[names.OUTPUT_MESSAGES] = Words(record.agent, "assistant")
    return told
