"""`Ready`: how a field of a form is asked for, read and read back; `ready_of` finds it for any field.

A type is ready because a `Ready` stands in its `Annotated[...]`. Whatever else pydantic knows is read by
`Ordinary`, strictly. Constraints and validators that stand beside a `Ready` hold as well.
"""

from __future__ import annotations

import datetime as dt
import json
import types
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from pydantic.fields import FieldInfo

from callbridge.agents.fields.said import refuse_odd_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.call.wants import KeysWanted

JSON_MAX: Final = 4000
"""Characters of one value as JSON: of a list, or of a model within the form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Where and when a value is read."""

    language: str = "en"
    """The language of the call, `de` or `de-AT`; empty counts as English."""
    region: str = "US"
    """Where a phone number without a country code belongs, as ISO 3166 has it."""
    time_zone: str = "UTC"
    """Where the caller's clock hangs, `Europe/Berlin` for example."""
    now: dt.datetime
    """With its zone, whichever that is."""


class Ready(ABC):
    """How one kind of field is asked for, read and read back."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What the model is told: the JSON form of the value, and how to ask for it."""

    @property
    def keys(self) -> KeysWanted | None:
        """How keys are put together while the field is asked for; None where none can fill it."""
        return None

    @property
    def goes_by_the_clock(self) -> bool:
        """Whether it is another value in another time zone."""
        return False

    def schema(self) -> dict[str, Any]:
        """JSON Schema of what the model writes."""
        return {"type": "string", "description": self.description}

    @abstractmethod
    def read(self, said: object, at: At) -> Any:
        """The value, in a form that JSON has and the field's type reads strictly.

        Reading a value that was read gives the same one.

        Raises:
            ValueError: and nothing else. The text is for the model: what is wrong and what to ask.
        """

    @abstractmethod
    def read_back(self, value: Any, at: At) -> str:
        """What the agent says for the caller to confirm. Empty: it need not be confirmed.

        Args:
            value: as `read` returned it.
            at: the same.
        """


@dataclass(frozen=True, slots=True)
class ReadBack:
    """In `Annotated[str, ReadBack()]`: the value is read back to the caller and confirmed."""


class Ordinary(Ready):
    """A type that is read as pydantic reads it, strictly: nothing is made of text that should be a number.

    Args:
        kind: the type, with its constraints.
        text: what the field's author says of it.
        is_read_back: whether the caller confirms it.

    Raises:
        TypeError: it has no JSON form.
    """

    def __init__(self, kind: Any, text: str = "", *, is_read_back: bool = False) -> None:
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(kind)
            self._schema = _inlined(self._adapter.json_schema())
        except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema) as error:
            why = str(error).partition("\n")[0].partition(". ")[0]  # Without its advice for authors of types.
            raise TypeError(
                f"it has no JSON form; use a type of callbridge.fields, str, int, bool or a Literal ({why})"
            ) from error
        self._text, self._is_read_back = text or str(self._schema.get("description", "")), is_read_back

    @property
    def description(self) -> str:
        """What its author says."""
        return self._text

    def schema(self) -> dict[str, Any]:
        """What pydantic makes of the type, in one piece: nothing in it refers to a place on top."""
        return self._schema | ({"description": self._text} if self._text else {})

    def read(self, said: object, at: At) -> Any:  # noqa: ARG002 - it is the same everywhere
        """Reads it strictly."""
        text = _json_of(said)
        try:
            read = self._adapter.validate_json(text, strict=True)
        except ValidationError as error:
            raise ValueError(_words_of(error)) from error
        return self._adapter.dump_python(read, mode="json")

    def read_back(self, value: Any, at: At) -> str:  # noqa: ARG002 - so here
        """The value itself, where it was asked for."""
        if not self._is_read_back:
            return ""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class Guarded(Ready):
    """A ready type and the user's rules behind it: `Annotated[PersonName, Field(max_length=40)]`."""

    def __init__(self, ready: Ready, kind: Any, text: str) -> None:
        self._ready, self._rules, self._text = ready, Ordinary(kind), text

    @property
    def description(self) -> str:
        """What its author says, and what the model must know of the type."""
        return " ".join(filter(None, (self._text, self._ready.description)))

    @property
    def keys(self) -> KeysWanted | None:
        """Those of the type."""
        return self._ready.keys

    @property
    def goes_by_the_clock(self) -> bool:
        """As the type does."""
        return self._ready.goes_by_the_clock

    def schema(self) -> dict[str, Any]:
        """That of the type."""
        return self._ready.schema() | {"description": self.description}

    def read(self, said: object, at: At) -> Any:
        """Reads it as the type does, then judges it."""
        return self._rules.read(self._ready.read(said, at), at)

    def read_back(self, value: Any, at: At) -> str:
        """As the type does."""
        return self._ready.read_back(value, at)


def ready_of(field: FieldInfo) -> Ready:
    """How this field of a form is read. `X | None` is read as `X`: that it may be left out is the form's.

    Raises:
        TypeError: its type has no JSON form.
    """
    kind, notes = _parts(field.annotation)
    notes = (*notes, *field.metadata)
    inner = (note.description for note in notes if isinstance(note, FieldInfo))
    text = field.description or next(filter(None, inner), "")
    ready = next((note for note in reversed(notes) if isinstance(note, Ready)), _own(kind))
    rules = tuple(note for note in notes if not isinstance(note, Ready | ReadBack))
    ruled = Annotated[(kind, *rules)] if rules else kind
    if ready is None:
        return Ordinary(ruled, text, is_read_back=any(isinstance(note, ReadBack) for note in notes))
    return Guarded(ready, ruled, text) if rules or text else ready


def _parts(kind: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without `Annotated` and `| None`, and all that stood in the `Annotated`s."""
    notes: tuple[Any, ...] = ()
    while True:
        if get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            notes = (*more, *notes)
        elif get_origin(kind) in {Union, types.UnionType}:
            others = [part for part in get_args(kind) if part is not types.NoneType]
            if len(others) != 1:
                return kind, notes
            kind = others[0]
        else:
            return kind, notes


def _own(kind: Any) -> Ready | None:
    """The `Ready` that a class brings along as its `ready`."""
    own = getattr(kind, "ready", None) if isinstance(kind, type) else None
    return own if isinstance(own, Ready) else None


_VALUES: Final = frozenset({"default", "const", "enum", "examples"})
"""What stands there is no schema."""


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without `$defs`: as a part of another one it finds them no more.

    Raises:
        TypeError: it contains itself.
    """
    named = {f"#/$defs/{name}": part for name, part in schema.pop("$defs", {}).items()}

    def inline(node: Any, within: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [inline(part, within) for part in node]
        if not isinstance(node, dict):
            return node
        where = node.get("$ref")
        if where in within:
            raise TypeError(f"{where.rpartition('/')[2]} contains itself, which no form can ask for")
        if where in named:
            beside = {key: part for key, part in node.items() if key != "$ref"}
            return inline(named[where] | beside, (*within, where))
        # A property may be called `title`, and is then no text.
        kept = {key: part for key, part in node.items() if key != "title" or not isinstance(part, str)}
        return {key: part if key in _VALUES else inline(part, within) for key, part in kept.items()}

    inlined: dict[str, Any] = inline(schema, ())
    return inlined


def _json_of(said: object) -> str:
    try:
        for text in _texts_in(said):
            refuse_odd_text(text, "a text in it")
        written = json.dumps(said, allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError("it has no JSON form; write it as the schema says") from error
    if len(written) > JSON_MAX:
        raise ValueError(f"it has {len(written)} characters, and may have {JSON_MAX}; write the value alone")
    return written


def _texts_in(said: object) -> Iterator[str]:
    if isinstance(said, str):
        yield said
    elif isinstance(said, list):
        for part in said:
            yield from _texts_in(part)
    elif isinstance(said, dict):
        for name, part in said.items():
            yield str(name)
            yield from _texts_in(part)


def _words_of(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False, include_input=False)[:5]
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, fault["loc"])), fault["msg"]))) for fault in faults
    )
