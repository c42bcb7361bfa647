"""What of a span may leave the process: the first that a span meets.

The same judgement as over lines of the log: secrets and numbers go, whatever stands where; words go unless
they are wanted. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from callbridge.observe.tracing import names
from callbridge.observe.tracing.spans import Words

if TYPE_CHECKING:
    from callbridge.observe.redaction import Redaction
    from callbridge.observe.tracing.spans import Attributes, Span, SpanEvent, Value

WORDS_CHARACTERS_MAX: Final = 4_000
"""Of what was said in one turn, or told to a tool; two minutes of speech have about 2,000."""

STACK_CHARACTERS_MAX: Final = 8_000


@dataclass(frozen=True, slots=True)
class SpanFilter:
    """Takes out what nobody else may see."""

    redaction: Redaction
    """Knows the secrets."""
    with_words: bool = False
    """Whether what was said, and what tools were told and have answered, may stand in spans."""

    def __call__(self, span: Span) -> Span:
        """The span as it may leave."""
        return replace(
            span,
            name=self._text(span.name),
            attributes=self._attributes(span.attributes),
            events=tuple(map(self._event, span.events)),
            fault=self._text(span.fault),
        )

    def _event(self, event: SpanEvent) -> SpanEvent:
        return replace(event, name=self._text(event.name), attributes=self._attributes(event.attributes))

    def _attributes(self, attributes: Attributes) -> dict[str, Value]:
        return {
            name: self._value(name, value)
            for name, value in attributes.items()
            if self.with_words or not isinstance(value, Words)
        }

    def _value(self, name: str, value: Value) -> Value:
        match value:
            case Words(text):
                return replace(value, text=self.redaction.text(text, WORDS_CHARACTERS_MAX))
            case str() if name == names.STACK:
                return self.redaction.text(value, STACK_CHARACTERS_MAX)
            case str():
                return str(self.redaction.entry(name.rpartition(".")[2], value))
            case tuple():
                return tuple(self._text(one) if isinstance(one, str) else one for one in value)  # type: ignore[return-value]  # All are of one kind, as before.
            case _:
                return value

    def _text(self, text: str) -> str:
        return self.redaction.text(text) if text else text
