"""What all spans of one stream have: whose they are, when its zero was, where those go that are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.observe.tracing import names
from callbridge.observe.tracing.spans import Span, SpanEvent, span_id_of, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from callbridge.call import facts
    from callbridge.call.facts import Fact
    from callbridge.observe.tracing.spans import Value


class SpansOfStream:
    """The spans of one stream that are over.

    Args:
        started: its first fact.
        at: when that came, in seconds since 1970.
    """

    def __init__(self, started: facts.StreamStarted, at: float) -> None:
        self.call_sid, self.sid, self.agent = started.call_sid, started.source, started.agent
        self.model = ""
        """Of the present session."""
        self._zero = at - started.at_ms / 1000
        self._over: list[Span] = []

    def taken(self) -> list[Span]:
        """Hands over those that are over."""
        over, self._over = self._over, []
        return over

    def at(self, at_ms: int) -> float:
        """A moment of a fact, in seconds since 1970."""
        return self._zero + at_ms / 1000

    def event(self, name: str, at_ms: int, told: Mapping[str, Value]) -> SpanEvent:
        """Something that happened."""
        return SpanEvent(name, self.at(at_ms), told)

    def of_model(self, model: str = "") -> dict[str, Value]:
        """Whose work it was; by default that of the present session."""
        return {names.PROVIDER: names.OPENAI, names.REQUEST_MODEL: model or self.model}

    def tell(
        self,
        name: str,
        place: tuple[str | int, ...],
        between_ms: tuple[int, int],
        told: Mapping[str, Value],
        *,
        turn: int = 0,
        events: Iterable[SpanEvent] = (),
        is_of_peer: bool = False,
        fault: str = "",
    ) -> None:
        """A span is over.

        Args:
            name: what it is called.
            place: what it is in its stream, so that no other has the same.
            between_ms: from when to when, as facts count.
            told: its attributes.
            turn: in which turn of the record it stands; 0 for none.
            events: what happened meanwhile.
            is_of_peer: it was the model's work.
            fault: what went wrong.
        """
        began_ms, ended_ms = between_ms
        of_call: dict[str, Value] = {names.CONVERSATION: self.call_sid, names.STREAM: self.sid}
        if self.agent:
            of_call[names.AGENT] = self.agent
        if fault:
            of_call[names.ERROR_TYPE] = fault
        self._over.append(
            Span(
                trace_id=trace_id_of(self.call_sid),
                span_id=self._span_id(*place),
                parent_id=self._span_id("turn", turn) if turn else 0,
                name=name,
                began_at=self.at(began_ms),
                ended_at=self.at(max(ended_ms, began_ms)),
                is_of_peer=is_of_peer,
                attributes=of_call | dict(told),
                events=tuple(events),
                fault=fault,
            )
        )

    def _span_id(self, *place: str | int) -> int:
        return span_id_of(self.call_sid, self.sid, *place)


def fields_of(fact: Fact) -> dict[str, Value]:
    """The plain fields of a fact, without its place, as attributes of ours."""
    places = ("call_sid", "source", "number", "at_ms")
    plain = ((name, getattr(fact, name)) for name in fact.__struct_fields__ if name not in places)
    return {
        f"{names.OURS}{name}": value for name, value in plain if isinstance(value, str | bool | int | float)
    }
