"""What Langfuse and Phoenix make of our attributes, by their documented formulas, against our own bill.

Neither can be run here. Their formulas are written down again from what both publish:
https://langfuse.com/docs/model-usage-and-cost, https://arize.com/docs/phoenix/tracing/how-to-tracing/cost-tracking
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callbridge.call import facts
from callbridge.call.actions import Note
from callbridge.call.bill import Bill
from callbridge.call.outbox import Outbox
from callbridge.observe.tracing.dialects import Dialect, spoken_for
from callbridge.observe.tracing.of_calls import SpansOfCalls
from callbridge.observe.tracing.spans import Span, Words
from callbridge.server.config.prices import read_prices
from callbridge.wire import realtime_events as rt
from rigs import PLAN

if TYPE_CHECKING:
    from collections.abc import Collection

    from callbridge.call.price import Price

PRICES = read_prices().list
MODEL, MINI = "gpt-realtime-2.1", "gpt-realtime-2.1-mini"
WORDS_PRICE = PRICES.transcription_model("gpt-4o-transcribe")
"""One by tokens, as both products know them."""

RESPONSES = (
    # Text and audio read, of these cached, text and audio written.
    ((420, 0), (0, 0), (31, 143)),
    ((451, 288), (384, 0), (17, 77)),
    ((520, 713), (448, 256), (44, 391)),
    ((533, 1_207), (512, 1_089), (0, 1)),
)


def usage(read: tuple[int, int], cached: tuple[int, int], wrote: tuple[int, int]) -> rt.Usage:
    """As OpenAI tells it: what was cached is a part of what was read."""
    details = rt.InputTokens(*read, cached_tokens=sum(cached), cached_tokens_details=rt.CachedTokens(*cached))
    return rt.Usage(sum(read), sum(wrote), details, rt.OutputTokens(*wrote))


def call(model: str, dialects: Collection[Dialect]) -> tuple[list[dict[str, Any]], int]:
    """The attributes of the spans of a call with cached text and audio, and its bill in microdollars."""
    out = Outbox("CA1", "MZ1", 0.0)
    bill = Bill(out, 0.0, is_continued=False)
    plan = replace(PLAN, model=model, price=PRICES.model(model))
    plan = replace(plan, transcription_price=WORDS_PRICE)
    for number, used in enumerate(RESPONSES):
        bill.response_done(rt.Response(f"resp_{number}", "completed", usage=usage(*used)), plan)
        out.note(facts.noted("response_done", response_id=f"resp_{number}", turn=1, began_ms=0))
    words = rt.TranscriptionUsage(61, 9)
    bill.transcribed(rt.CallerTranscript(item_id="item_1", transcript="Hello.", usage=words), plan)
    out.note(facts.TurnEnded(1, "Hello.", "Hello.", 300, interrupted=False))
    noted = [action.fact for action in out.taken() if isinstance(action, Note)]
    calls = SpansOfCalls()
    started = facts.StreamStarted("", "", call_sid="CA1", source="MZ1")
    spans = [span for fact in (started, *noted) for span in calls.take(fact, 0.0)]
    assert len(spans) == len(RESPONSES) + 2
    return [dict(spoken_for(span, dialects).attributes) for span in spans], bill.cost_microdollars


def prices_of(model: str) -> Price:
    found = PRICES.model(model)
    assert found is not None
    return found


# --- Langfuse -----------------------------------------------------------------------------------------


def langfuse_prices(model: str) -> dict[str, int]:
    """By usage type, in microdollars per million: what an operator enters for a model that Langfuse lacks."""
    if model == "gpt-transcribe":
        return {"input": 2_500_000, "output": 10_000_000}
    price = prices_of(model)
    return {
        "input_text_tokens": price.text_input,
        "input_cached_text_tokens": price.text_cached,
        "input_audio_tokens": price.audio_input,
        "input_cached_audio_tokens": price.audio_cached,
        "output_text_tokens": price.text_output,
        "output_audio_tokens": price.audio_output,
    }


def langfuse_cost(attributes: dict[str, Any], *, takes_ours: bool) -> float:
    """In microdollars: a cost that is given counts as it is; else each usage type times its price."""
    given = msgspec.json.decode(attributes.get("langfuse.observation.cost_details", "{}"))
    if given and takes_ours:
        return float(given["total"] * 1e6)
    used = msgspec.json.decode(attributes.get("langfuse.observation.usage_details", "{}"))
    prices = langfuse_prices(attributes["langfuse.observation.model.name"]) if used else {}
    return float(sum(units * prices[kind] for kind, units in used.items()) / 1e6)


@pytest.mark.parametrize("dialects", [(Dialect.LANGFUSE,), tuple(Dialect)])
@pytest.mark.parametrize("model", [MODEL, MINI])
def test_langfuse_shows_our_bill(model: str, dialects: Collection[Dialect]) -> None:
    """To the microdollar by the cost that it is given, and to less than one by its own formula."""
    spans, bill = call(model, dialects)
    assert round(sum(langfuse_cost(span, takes_ours=True) for span in spans), 6) == bill
    by_formula = sum(langfuse_cost(span, takes_ours=False) for span in spans)
    assert bill - 1 < by_formula <= bill


def test_langfuse_counts_no_token_twice() -> None:
    """It adds up what has `input` in its name: that is what was read, the cached ones once."""
    spans, _ = call(MODEL, (Dialect.LANGFUSE,))
    used = [
        msgspec.json.decode(span["langfuse.observation.usage_details"])
        for span in spans
        if span.get("gen_ai.operation.name") == "chat"
    ]
    read = [sum(tokens for kind, tokens in one.items() if "input" in kind) for one in used]
    assert read == [sum(read) for read, _, _ in RESPONSES]
    assert used[2] == {
        "input_text_tokens": 72,
        "input_cached_text_tokens": 448,
        "input_audio_tokens": 457,
        "input_cached_audio_tokens": 256,
        "output_text_tokens": 44,
        "output_audio_tokens": 391,
    }


# --- Phoenix ------------------------------------------------------------------------------------------------


def phoenix_prices(model: str) -> dict[tuple[str, str], int]:
    """As its table has them for such models: one price for what was cached, whatever its kind."""
    if model == "gpt-transcribe":
        return {("prompt", "input"): 2_500_000, ("completion", "output"): 10_000_000}
    price = prices_of(model)
    return {
        ("prompt", "input"): price.text_input,
        ("prompt", "cache_read"): price.text_cached,
        ("prompt", "audio"): price.audio_input,
        ("completion", "output"): price.text_output,
        ("completion", "audio"): price.audio_output,
    }


def phoenix_cost(attributes: dict[str, Any]) -> float:
    """In microdollars: details by their prices, else by that of their side; then what they leave."""
    if attributes.get("openinference.span.kind") != "LLM":
        return 0.0
    prices, cost = phoenix_prices(attributes["llm.model_name"]), 0
    for side, rest in (("prompt", "input"), ("completion", "output")):
        prefix = f"llm.token_count.{side}_details."
        details = {
            name.removeprefix(prefix): value for name, value in attributes.items() if name.startswith(prefix)
        }
        for kind, tokens in details.items():
            cost += tokens * prices.get((side, kind), prices[side, rest])
        left = attributes[f"llm.token_count.{side}"] - sum(details.values())
        cost += max(left, 0) * prices[side, rest]
    return cost / 1e6


@pytest.mark.parametrize("dialects", [(Dialect.PHOENIX,), tuple(Dialect)])
def test_phoenix_makes_our_bill_of_our_tokens(dialects: Collection[Dialect]) -> None:
    """It takes no cost from us. Cached text and cached audio have one price with this model."""
    spans, bill = call(MODEL, dialects)
    assert bill - 1 < sum(map(phoenix_cost, spans)) <= bill


def test_of_a_mini_phoenix_knows_one_price_for_what_was_cached() -> None:
    """So its cost is too small by the cached audio, as the page says: 24 cents in a million tokens."""
    spans, bill = call(MINI, (Dialect.PHOENIX,))
    cached_audio = sum(cached[1] for _, cached, _ in RESPONSES)
    missing = cached_audio * 240_000 / 1e6
    assert bill - 1 < sum(map(phoenix_cost, spans)) + missing <= bill


# --- Both ---------------------------------------------------------------------------------------------------


def test_only_who_is_named_gets_names_of_its_own() -> None:
    def vendors(dialects: Collection[Dialect]) -> set[str]:
        spans, _ = call(MODEL, dialects)
        return {name.partition(".")[0] for span in spans for name in span}

    plain = {"gen_ai", "callbridge"}
    assert vendors(()) == plain
    assert vendors((Dialect.LANGFUSE,)) == plain | {"langfuse", "session"}
    assert vendors((Dialect.PHOENIX,)) == plain | {"openinference", "llm", "session", "input", "output"}


def test_words_stand_where_each_product_looks_for_them() -> None:
    told: dict[str, str | Words] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.input.messages": Words("Hello?", "user"),
        "gen_ai.output.messages": Words("Good day.", "assistant"),
    }
    span = Span(trace_id=1, span_id=2, name="x", began_at=0, ended_at=1, attributes=told)
    spoken = spoken_for(span, tuple(Dialect)).attributes
    assert spoken["gen_ai.input.messages"] == (
        '[{"role":"user","parts":[{"type":"text","content":"Hello?"}]}]'
    )
    assert (spoken["langfuse.observation.input"], spoken["langfuse.observation.output"]) == (
        *("Hello?", "Good day."),
    )
    assert (spoken["input.value"], spoken["output.value"]) == ("Hello?", "Good day.")
    assert (spoken["langfuse.observation.type"], spoken["openinference.span.kind"]) == ("agent", "AGENT")
