"""What a call has used and what it costs: its facts and a price list in, the lines of a bill out.

Pure, and exact: whole microdollars, each line rounded up, the sum that of its lines. What is used and has no
price is named, and never guessed. It is what the vendors bill by their lists, not their books:
`callbridge calls cost --compare` sets the two side by side.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from callbridge.call import facts
from callbridge.call import telephone_facts as t
from callbridge.call.bill_facts import Billed
from callbridge.call.price import rounded_up
from callbridge.call.price_list import PriceList
from callbridge.call.record_facts import CallAnalysed
from callbridge.call.usage import Usage
from callbridge.records.minutes import legs_of
from callbridge.records.story import Cost, CostLine, UsageTotals
from callbridge.records.waste import silent_ms, silent_share, unheard_share

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from callbridge.call.price import Price
    from callbridge.records.minutes import Leg, Legs
    from callbridge.records.stream_facts import StreamFacts, Timed

NO_PRICES: Final = PriceList()
"""Everything is unpriced."""


def costs_of(
    streams: Sequence[StreamFacts], learnt: Sequence[Timed], prices: PriceList
) -> tuple[UsageTotals, Cost]:
    """What a call has used and what it costs, so far.

    Args:
        streams: the facts of each stream, in order.
        learnt: what webhooks have learnt beside them.
        prices: those that hold.
    """
    used, legs, texts = _used(streams), legs_of(streams, learnt), _texts(learnt)
    bill = _Bill(prices)
    for model, usage in used.responses.items():
        bill.add_model(model, usage)
    for model, usage in used.transcripts.items():
        bill.add_transcripts(model, usage)
    bill.add_minutes(legs)
    for text in texts:
        bill.add_text(text)
    for timed in learnt:
        if isinstance(timed.fact, CallAnalysed):
            bill.add_analysis(timed.fact)
    return _totals(used, legs, texts, streams), Cost(
        microdollars=sum(line.microdollars for line in bill.lines),
        lines=tuple(bill.lines),
        prices_as_of=prices.as_of,
        unpriced=tuple(dict.fromkeys(bill.unpriced)),
        unheard_microdollars=_unheard(streams, prices),
        silent_microdollars=_silent(streams, legs, prices),
    )


# --- What was used ------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Used:
    """By the name of the model."""

    responses: dict[str, Usage] = field(default_factory=lambda: defaultdict(Usage))
    transcripts: dict[str, Usage] = field(default_factory=lambda: defaultdict(Usage))
    count: int = 0
    """Of responses."""

    @property
    def all(self) -> Usage:
        """Everything together."""
        return sum((*self.responses.values(), *self.transcripts.values()), Usage())


def _used(streams: Iterable[StreamFacts]) -> _Used:
    """Over all streams. A response counts however it ended."""
    used = _Used()
    for stream in streams:
        for what, model, usage in _bills(stream):
            if what == "transcription":
                used.transcripts[model] += usage
            else:
                used.responses[model] += usage
                used.count += 1
    return used


def _bills(stream: StreamFacts) -> Iterator[tuple[str, str, Usage]]:
    """What each bill of tokens was for. Bills of old say the sum of their stream, and no model."""
    model, before = "", Usage()
    for timed in stream.facts:
        match timed.fact:
            case facts.AgentReady(model=ready) | facts.SessionReplaced(model=ready):
                model = ready or model
            case Billed(what="line"):
                pass
            case Billed(usage=usage) as bill:
                used = _by_kind(usage.since(before)) if bill.used is None else bill.used
                before = usage
                yield bill.what, bill.priced_as or model, used
            case _:
                pass


def _by_kind(usage: Usage) -> Usage:
    """Of old only the sum of what was cached was told, response by response."""
    return replace(usage, cached_audio_tokens=usage.input_cached[1])


@dataclass(frozen=True, slots=True)
class _Text:
    priced_as: str
    segments: int


def _texts(learnt: Iterable[Timed]) -> list[_Text]:
    """Those that Twilio has taken: they are paid, whatever becomes of them."""
    found: dict[str, _Text] = {}
    for timed in learnt:
        match timed.fact:
            case t.TextTold(text_id, message_sid=sid, segments=segments, priced_as=priced_as) if sid:
                known = found.get(text_id, _Text("", 0))
                found[text_id] = _Text(known.priced_as or priced_as, max(known.segments, segments))
            case _:
                pass
    return list(found.values())


def _totals(used: _Used, legs: Legs, texts: Sequence[_Text], streams: Iterable[StreamFacts]) -> UsageTotals:
    all_used = used.all
    text_cached, audio_cached = all_used.input_cached
    return UsageTotals(
        text_in=all_used.input_text_tokens,
        text_cached=text_cached,
        text_out=all_used.output_text_tokens,
        audio_in=all_used.input_tokens - all_used.input_text_tokens,
        audio_cached=audio_cached,
        audio_out=all_used.output_tokens - all_used.output_text_tokens,
        transcription_in=all_used.transcription_input_tokens,
        transcription_out=all_used.transcription_output_tokens,
        transcription_s=all_used.transcription_ms / 1000,
        responses=used.count,
        model_s=sum(map(_model_ms, streams)) / 1000,
        line_minutes=0 if legs.line is None else legs.line.minutes,
        stream_minutes=_minutes(legs.streams),
        transfer_minutes=_minutes(legs.people),
        texts=len(texts),
    )


def _model_ms(stream: StreamFacts) -> int:
    """How long there were sessions: from the first one that stood to the end of the stream."""
    ready_ms, _ = stream.first(facts.AgentReady)
    if ready_ms is None:
        return 0
    end_ms, _ = stream.first(facts.StreamEnded)
    return (stream.facts[-1].at_ms if end_ms is None else end_ms) - ready_ms


def _minutes(legs: Iterable[Leg]) -> int:
    return sum(leg.minutes for leg in legs)


# --- The bill -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Bill:
    """Its lines, in the order in which they are added."""

    prices: PriceList
    lines: list[CostLine] = field(default_factory=list)
    unpriced: list[str] = field(default_factory=list)

    def add_model(self, model: str, usage: Usage) -> None:
        """The tokens of one model, by kind; cached ones are no part of the line of their kind."""
        if usage == Usage():
            return
        if (price := self.prices.model(model)) is None:
            self.unpriced.append(model or "a model that is not known")
            return
        for kind, tokens, microdollars in _kinds(usage, price):
            self._add(f"{model} {kind}", tokens, "tokens", rounded_up(tokens * microdollars))

    def add_transcripts(self, model: str, usage: Usage) -> None:
        """Those of one model, in what they are billed in."""
        price = self.prices.transcription_model(model)
        cost = None if price is None else price.cost_picodollars(usage)
        if cost is None:
            self.unpriced.append(model or "transcripts of a model that is not known")
        elif usage.transcription_ms:
            self._add(f"{model} transcripts", usage.transcription_ms / 1000, "s", rounded_up(cost))
        else:
            tokens = usage.transcription_input_tokens + usage.transcription_output_tokens
            self._add(f"{model} transcripts", tokens, "tokens", rounded_up(cost))

    def add_analysis(self, analysed: CallAnalysed) -> None:
        """The text model that has looked at the call."""
        tokens = analysed.tokens_in + analysed.tokens_out
        if (price := self.prices.text_model(analysed.model)) is not None:
            cost = price.cost_picodollars(analysed.tokens_in, analysed.tokens_out)
            self._add(f"{analysed.model} analysis", tokens, "tokens", rounded_up(cost))
        elif tokens:
            self.unpriced.append(f"{analysed.model} analysis")

    def add_minutes(self, legs: Legs) -> None:
        """Everything that is billed by the minute, together with its like."""
        line = () if legs.line is None else (legs.line,)
        minutes: Counter[str] = Counter()
        for leg in (*line, *legs.streams, *legs.people, *legs.rooms, *legs.recordings):
            minutes[leg.priced_as] += leg.minutes
        for name, count in minutes.items():
            self._add_by_name(
                name or "a line of a kind that is not known", count, "minutes", self.prices.lines
            )

    def add_text(self, text: _Text) -> None:
        """One text, by its segments."""
        if text.segments:
            name = text.priced_as or "a text to a number that is not known"
            self._add_by_name(name, text.segments, "segments", self.prices.texts)
        else:
            self.unpriced.append("a text of unknown length")

    def _add_by_name(self, name: str, quantity: int, unit: str, prices: Mapping[str, int]) -> None:
        if name in prices:
            self._add(name, quantity, unit, quantity * prices[name])
        else:
            self.unpriced.append(name)

    def _add(self, name: str, quantity: float, unit: str, microdollars: int) -> None:
        for place, line in enumerate(self.lines):
            if (line.name, line.unit) == (name, unit):
                quantity, microdollars = line.quantity + quantity, line.microdollars + microdollars
                self.lines[place] = CostLine(name, quantity, unit, microdollars)
                return
        if quantity:
            self.lines.append(CostLine(name, quantity, unit, microdollars))


def _kinds(usage: Usage, price: Price) -> Iterator[tuple[str, int, int]]:
    text_cached, audio_cached = usage.input_cached
    audio_in = usage.input_tokens - usage.input_text_tokens
    yield "text in", usage.input_text_tokens - text_cached, price.text_input
    yield "text cached", text_cached, price.text_cached
    yield "text out", usage.output_text_tokens, price.text_output
    yield "audio in", audio_in - audio_cached, price.audio_input
    yield "audio cached", audio_cached, price.audio_cached
    yield "audio out", usage.output_tokens - usage.output_text_tokens, price.audio_output


# --- What nobody had anything of ----------------------------------------------------------------------


def _unheard(streams: Iterable[StreamFacts], prices: PriceList) -> int:
    """Of the money for the agent's audio, the share that nobody heard, stream by stream."""
    lost = 0.0
    for stream in streams:
        share = unheard_share(stream)
        for what, model, usage in _bills(stream):
            if what == "response" and (price := prices.model(model)) is not None:
                lost += share * (usage.output_tokens - usage.output_text_tokens) * price.audio_output / 1e6
    return round(lost)


def _silent(streams: Sequence[StreamFacts], legs: Legs, prices: PriceList) -> int:
    """Of the money for line and streams, the share of their time in which nobody spoke."""
    lost = 0.0
    if legs.line is not None:
        price = prices.lines.get(legs.line.priced_as, 0)
        lost += legs.line.minutes * price * silent_share(streams, legs.line.seconds)
    started = [stream for stream in streams if stream.first(facts.StreamStarted)[0] is not None]
    for stream, leg in zip(started, legs.streams, strict=True):
        if leg.seconds > 0:
            share = min(1.0, silent_ms(stream) / 1000 / leg.seconds)
            lost += leg.minutes * prices.lines.get(leg.priced_as, 0) * share
    return round(lost)
