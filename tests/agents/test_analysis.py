"""What an agent's author may ask about a call."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import BaseModel, Field

from callbridge import AgentFault, Analysis
from callbridge.records.analysis.findings import Custom, schema_of
from callbridge.simulators.text_model.strict_schema import faults_of


class Item(BaseModel):
    """One thing that was ordered."""

    product: str = Field(max_length=40)
    count: int = 1


class Order(BaseModel):
    """What they want to buy."""

    items: list[Item]
    urgency: Literal["now", "later"] = "later"
    note: str | None = None


def test_fields_are_asked_for_as_the_endpoint_takes_them() -> None:
    analysis = Analysis(fields=Order)
    assert analysis.schema is not None
    assert list(faults_of(schema_of(Custom(analysis.schema, analysis.read)))) == []


def test_what_is_answered_is_held_against_the_fields() -> None:
    analysis = Analysis(fields=Order)
    order = {"items": [{"product": "rye", "count": 2}], "urgency": "now", "note": None}
    assert analysis.read(order) == order
    secret = "x" * 41
    with pytest.raises(ValueError, match=r"items\.0\.product") as fault:
        analysis.read({"items": [{"product": secret, "count": 1}], "urgency": "now", "note": None})
    assert secret not in str(fault.value)


class Counts(BaseModel):
    by_day: dict[str, int]


class Pair(BaseModel):
    both: tuple[str, int]


@pytest.mark.parametrize(
    ("fields", "why"), [(Counts, "dictionary"), (Pair, "tuple"), (dict, "pydantic model")]
)
def test_what_the_endpoint_would_refuse_is_a_fault_of_the_agent(fields: type[BaseModel], why: str) -> None:
    with pytest.raises(AgentFault, match=why):
        Analysis(fields=fields)


def test_instructions_have_a_bound() -> None:
    with pytest.raises(AgentFault, match="4000 are the most"):
        Analysis(instructions="x" * 4001)
