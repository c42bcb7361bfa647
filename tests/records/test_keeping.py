"""What is kept of facts: every field that may hold a text has an answer, and the answers hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import inspect

from callbridge.call import agent_facts, facts, memory
from callbridge.call.fact_base import BaseFact
from callbridge.call.facts import Fact
from callbridge.call.telephone_facts import TransferAsked
from callbridge.call.wishes import Transfer
from callbridge.observe.redaction import redaction
from callbridge.observe.redaction_patterns import MASK
from callbridge.records.keeping import HOLDS, PEER_CHARACTERS_MAX, Holds, Keeping, kept

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING = Keeping(redaction=redaction())
WORDS = Keeping(words=True, numbers=False, redaction=redaction())
NUMBERS = Keeping(words=False, numbers=True, redaction=redaction())
ALL = Keeping(words=True, numbers=True, redaction=redaction())
PLACE = {"call_sid", "source"}
SAID, NUMBER, CARD = "my cat is called Ophelia", "+447700900123", "4111 1111 1111 1111"


# --- Every field has an answer ------------------------------------------------------------------------


def parts(kind: inspect.Type) -> Iterator[inspect.Type]:
    """A type and all that stands in it."""
    yield kind
    match kind:
        case inspect.UnionType(types):
            inner: tuple[Any, ...] = types
        case inspect.VarTupleType(item_type) | inspect.ListType(item_type):
            inner = (item_type,)
        case inspect.TupleType(item_types):
            inner = item_types
        case inspect.DictType(key_type, value_type):
            inner = (key_type, value_type)
        case _:
            inner = ()
    for one in inner:
        yield from parts(one)


def structs() -> dict[type, inspect.StructType]:
    """All facts, and what stands in them."""
    found: dict[type, inspect.StructType] = {}
    waiting = list(parts(inspect.type_info(Fact)))
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, inspect.StructType) and kind.cls not in found:
            found[kind.cls] = kind
            waiting += [part for field in kind.fields for part in parts(field.type)]
    return found


STRUCTS = structs()
TEXTS = (
    *(inspect.StrType, inspect.LiteralType, inspect.BytesType),
    *(inspect.AnyType, inspect.RawType, inspect.StructType),
)


@pytest.mark.parametrize("cls", STRUCTS, ids=lambda cls: cls.__name__)
def test_every_text_of_a_fact_is_declared(cls: type) -> None:
    """A new field of text, or a new fact: say in `HOLDS` what stands in it."""
    texts = {}
    for field in STRUCTS[cls].fields:
        inside = [part for part in parts(field.type) if isinstance(part, TEXTS)]
        if inside and field.name not in PLACE:
            texts[field.name] = any(isinstance(part, inspect.StructType) for part in inside)
    assert cls in HOLDS
    assert HOLDS[cls].keys() == texts.keys()
    assert {name for name, holds in HOLDS[cls].items() if holds is Holds.PARTS} == {
        name for name, has_parts in texts.items() if has_parts
    }


def test_nothing_is_declared_that_is_no_more() -> None:
    assert HOLDS.keys() == STRUCTS.keys()


# --- The answers hold ---------------------------------------------------------------------------------


def filled(cls: type, texts: dict[Holds, str]) -> Any:
    """One with every field filled in."""
    given = {}
    for field in STRUCTS[cls].fields:
        holds = HOLDS[cls].get(field.name, Holds.NAME)
        given[field.name] = value_of(field.type, texts, holds)
    return cls(**given)


def value_of(kind: inspect.Type, texts: dict[Holds, str], holds: Holds) -> Any:
    match kind:
        case inspect.StrType():
            return texts.get(holds, "name")
        case inspect.StructType(cls):
            return filled(cls, texts)
        case inspect.UnionType(types):
            return value_of(types[0], texts, holds)
        case inspect.VarTupleType(item_type):
            return (value_of(item_type, texts, holds),)
        case inspect.TupleType(item_types):
            return tuple(
                value_of(item, texts, holds if place else Holds.NAME) for place, item in enumerate(item_types)
            )
        case inspect.LiteralType(values):
            return values[0]
        case inspect.EnumType(cls):
            return next(iter(cls))
        case inspect.BoolType():
            return True
        case inspect.IntType() | inspect.FloatType():
            return 7
        case _:
            return None


FACTS = [cls for cls in STRUCTS if "call_sid" in cls.__struct_fields__]  # type: ignore[attr-defined]


@pytest.mark.parametrize("cls", FACTS, ids=lambda cls: cls.__name__)
def test_nothing_is_kept_that_is_not_switched_on(cls: type) -> None:
    fact = filled(cls, {Holds.WORDS: SAID, Holds.NUMBER: NUMBER, Holds.PEER: f"no route to {NUMBER}"})
    assert facts.decode(facts.encode(fact)) == fact, "the example is a fact"
    told = {keeping: facts.encode(kept(fact, keeping)).decode() for keeping in (NOTHING, WORDS, NUMBERS, ALL)}
    for keeping, text in told.items():
        assert keeping.words or SAID not in text
        assert keeping.numbers or "7700900" not in text.replace(SAID, "")
    has = {holds for struct in structs_in(cls) for holds in HOLDS[struct].values()}
    assert (SAID in told[WORDS]) == (Holds.WORDS in has)
    assert (NUMBER in told[NUMBERS]) == (Holds.NUMBER in has)
    assert "no route to +447" not in told[ALL]


def structs_in(cls: type) -> set[type]:
    """A fact, and the first of what may stand in its fields: what `filled` makes."""
    found = {cls}
    for field in STRUCTS[cls].fields:
        kind = field.type
        while isinstance(kind, inspect.UnionType | inspect.VarTupleType):
            kind = kind.types[0] if isinstance(kind, inspect.UnionType) else kind.item_type
        if isinstance(kind, inspect.StructType):
            found |= structs_in(kind.cls)
    return found


@pytest.mark.parametrize("cls", FACTS, ids=lambda cls: cls.__name__)
def test_what_is_kept_already_stays_as_it_is(cls: type) -> None:
    """So that words can be dropped later from what was kept with them."""
    fact = filled(cls, {Holds.WORDS: SAID, Holds.NUMBER: NUMBER, Holds.PEER: f"{NUMBER} said {SAID * 50}"})
    bare = kept(fact, NOTHING)
    assert kept(bare, NOTHING) == bare
    assert kept(kept(fact, WORDS), NOTHING) == bare
    assert kept(kept(fact, ALL), NOTHING) == bare


TURN = facts.TurnEnded(turn=3, caller=SAID, agent="I see.", response_ms=480, interrupted=True, at_ms=5_000)
SHOUTED = facts.ModelTrouble("call", "x" * 900, 400, None, is_fatal=False, is_rate_limit=False)
CUT = "x" * PEER_CHARACTERS_MAX + "… (of 900 characters)"
UNHEARD = msgspec.structs.replace(TURN, caller=None)


@pytest.mark.parametrize(
    ("fact", "keeping", "expected"),
    [
        (TURN, NOTHING, msgspec.structs.replace(TURN, caller="", agent="")),
        (UNHEARD, NOTHING, msgspec.structs.replace(UNHEARD, agent="")),
        (TURN, WORDS, TURN),
        (facts.StreamStarted("sip:anna@pbx.example.com", NUMBER, agent="desk"), WORDS,
         facts.StreamStarted(f"sip:{MASK}@pbx.example.com", f"+{MASK}23", agent="desk")),
        (facts.StreamStarted(NUMBER, NUMBER), NUMBERS, facts.StreamStarted(NUMBER, NUMBER)),
        (facts.KeysPressed("1234#", 2), NOTHING, facts.KeysPressed("", 2)),
        (facts.KeysPressed("4111111111111111#", 2), WORDS, facts.KeysPressed(f"{MASK}#", 2)),
        (agent_facts.Captured("order", f'{{"card":"{CARD}","for":"Anna"}}'), WORDS,
         agent_facts.Captured("order", f'{{"card":"{MASK}","for":"Anna"}}')),
        (facts.Remembered(memory.ToolStarted(2, "call_1", "book", f'{{"name":"{SAID}"}}')), NOTHING,
         facts.Remembered(memory.ToolStarted(2, "call_1", "book", ""))),
        (facts.CallDescribed("Anna Lee", "A", (("X-Account", SAID),)), NOTHING,
         facts.CallDescribed(MASK, "A", (("X-Account", ""),))),
        (TransferAsked("t1", Transfer("sales", NUMBER, extension="77", briefing=SAID, reason=SAID)), NOTHING,
         TransferAsked("t1", Transfer("sales", f"+{MASK}23", extension=MASK))),
        (facts.warned("model_error", code="x", message=f"no {NUMBER}", status=400), ALL,
         facts.warned("model_error", code="x", message=f"no +{MASK}23", status=400)),
        (facts.Interrupted((("item_1", 300),), ("item_2",), 40), NOTHING,
         facts.Interrupted((("item_1", 300),), ("item_2",), 40)),
        (SHOUTED, ALL, msgspec.structs.replace(SHOUTED, why=CUT)),
    ],
)  # fmt: skip
def test_structure_and_figures_stay(fact: Fact, keeping: Keeping, expected: Fact) -> None:
    assert kept(fact, keeping) == expected


class Unknown(BaseFact, frozen=True):
    """A fact that nobody has declared."""

    what: str
    count: int = 3


def test_of_a_fact_that_nobody_declared_no_word_is_kept() -> None:
    assert kept(Unknown(SAID), NUMBERS) == Unknown("")  # type: ignore[arg-type, comparison-overlap]
