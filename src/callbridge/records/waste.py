"""What of the money nobody had anything of: audio that nobody heard, and time in which nobody spoke.

Pure. Both are shares of what was paid, and never more than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call import facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from callbridge.records.stream_facts import StreamFacts


def unheard_share(stream: StreamFacts) -> float:
    """The share of the agent's audio in a stream that the caller did not hear, from 0 to 1.

    The rule: of each item that the agent said, what was made of it and what of that was heard stands in the
    record of its turn (`SaidItem`); 1 - heard / made, over all of them. What the vendor bills is made audio,
    heard or not. Where nothing is known of any item, none counts as unheard.
    """
    made_ms = heard_ms = 0
    for timed in stream.facts:
        if isinstance(timed.fact, facts.TurnEnded):
            made_ms += sum(item.sent_ms for item in timed.fact.items)
            heard_ms += sum(min(item.heard_ms, item.sent_ms) for item in timed.fact.items)
    return 1 - heard_ms / made_ms if made_ms > 0 else 0.0


def silent_ms(stream: StreamFacts) -> int:
    """How long nobody spoke in a stream.

    The rule: from its start to its end, less what lies within the caller's speech as the model heard it, or
    within an item of the agent's while it was heard; what overlaps counts once. Waiting for an answer is
    silence, a sound that bridges a wait is, and so is the noise of a street.
    """
    began_ms, _ = stream.first(facts.StreamStarted)
    end_ms, _ = stream.first(facts.StreamEnded)
    if began_ms is None:
        return 0
    end_ms = stream.facts[-1].at_ms if end_ms is None else end_ms
    spoken_ms, until_ms = 0, began_ms
    for span_began_ms, span_ended_ms in sorted(_spans(stream)):
        since_ms = max(span_began_ms, until_ms)
        until_ms = min(max(span_ended_ms, until_ms), end_ms)
        spoken_ms += max(0, until_ms - since_ms)
    return max(0, end_ms - began_ms - spoken_ms)


def _spans(stream: StreamFacts) -> Iterable[tuple[int, int]]:
    """When somebody was heard, in the time of the call."""
    for timed in stream.facts:
        match timed.fact:
            case facts.CallerSpoke(speech=speech) if speech is not None:
                yield stream.ms(speech.began_ms), stream.ms(speech.ended_ms)
            case facts.TurnEnded() as turn:
                for speech in turn.speech:
                    yield stream.ms(speech.began_ms), stream.ms(speech.ended_ms)
                for item in turn.items:
                    if item.began_ms is not None and item.ended_ms is not None:
                        yield stream.ms(item.began_ms), stream.ms(item.ended_ms)
            case _:
                pass


def silent_share(streams: Sequence[StreamFacts], line_s: float) -> float:
    """The share of the line's time in which nobody spoke in a stream, from 0 to 1.

    Outside of streams, on hold or put through, nobody here knows who speaks: that is no silence.
    """
    silent_s = sum(map(silent_ms, streams)) / 1000
    return min(1.0, silent_s / line_s) if line_s > 0 else 0.0
