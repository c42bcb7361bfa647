"""The log of a call: a line per fact, one canonical line at its end. From these alone a call can be rebuilt.

What was said stands in a line only when that is switched on, and numbers never do: they are masked here,
because a program that serves calls may have a log of its own making.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from callbridge.call import agent_facts, facts
from callbridge.call.facts import EndReason
from callbridge.call.memory import ToolStarted
from callbridge.call.rating import CallerWordsRated
from callbridge.call.recording_facts import OF_RECORDINGS, ConsentGiven
from callbridge.call.telephone_facts import TransferAsked, TransferEnded
from callbridge.observe.redaction import masked_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.observe.first_of_kind import FirstOfKind

_OF_STRANGERS: Final = frozenset({EndReason.REJECTED_AUTH, EndReason.REJECTED_PROTOCOL})
"""How a stream ends that never was a call: anybody may have sent it, as often as they like."""
_OF_AGENTS: Final = (
    *(agent_facts.StepEntered, agent_facts.AttemptFailed, CallerWordsRated, agent_facts.GuestChanged),
    agent_facts.AgentChanged,
    *(agent_facts.FieldKept, agent_facts.FieldRefused),
    *(agent_facts.Captured, agent_facts.CaptureDelivered, agent_facts.McpToolsChanged),
    *(facts.KeysPressed, facts.SessionAmended, facts.Said),
)
_PLAIN: Final = (
    *(facts.AgentReady, facts.SessionReplaced, facts.ClipPlayed, facts.CallClosed),
    facts.GuardrailTripped,
    *(TransferAsked, TransferEnded),
    *OF_RECORDINGS,
)
_GIVEN: Final = frozenset({"value", "data", "keys"})
_PLACE: Final = frozenset({"call_sid", "source", "number", "at_ms"})
"""What every fact has, and every line says in its own way."""
_OF_RECORDS: Final = frozenset({"caller_key", "record"})
"""What only records are for."""


class CallLog:
    """Writes the facts of all calls."""

    def __init__(self, refused: FirstOfKind, now: Callable[[], float], *, with_transcripts: bool) -> None:
        """A log.

        Args:
            refused: says which streams of strangers, who were turned away, get a line of their own.
            now: a clock for that, in seconds.
            with_transcripts: what was said stands in it.
        """
        self._refused_before, self._now, self._with_transcripts = refused, now, with_transcripts
        self._log = structlog.get_logger()

    def __call__(self, fact: facts.Fact) -> None:
        """Writes one line. The identity of call and stream is on every one."""
        log = self._log.bind(call_sid=fact.call_sid, stream_sid=fact.source)
        match fact:
            case facts.StreamStarted(caller, called):
                numbers = {"caller": masked_number(caller), "called": masked_number(called)}
                log.info(fact.kind, **_fields(fact) | numbers)
            case _ if isinstance(fact, _PLAIN):
                log.info(fact.kind, **_plain(fact))
            case facts.ModelTrouble():
                # What no second try can mend wants somebody to look; the rest is mended by the next line.
                write = log.error if fact.is_fatal else log.warning
                write("model_trouble", **_fields(fact))
            case facts.Interrupted():
                log.info(
                    "interrupted",
                    truncated_ms=dict(fact.truncated),
                    deleted=list(fact.deleted),
                    unheard_ms=fact.unheard_ms,
                )
            case facts.Remembered(ToolStarted()) | facts.ToolUsed():
                self._tool(log, fact)
            case facts.TurnEnded():
                log.info("turn_ended", **self._turn(fact))
            case facts.CallerWordsCame():
                log.info("caller_words_came", **self._late(fact))
            case facts.StreamEnded(is_admitted=False, reason=reason) if reason in _OF_STRANGERS:
                self._refused(log, fact)
            case facts.StreamEnded():
                self._ended(log, fact)
            case facts.Noted():
                write = log.warning if fact.is_warning else log.info
                write(fact.event, **dict(fact.fields))
            case _ if isinstance(fact, _OF_AGENTS):
                log.info(fact.kind, **self._given(fact))
            case _:
                pass  # A tool's words are not for a log; bills are in the last line; webhooks log their own.

    def _tool(
        self, log: structlog.typing.FilteringBoundLogger, fact: facts.Remembered | facts.ToolUsed
    ) -> None:
        if isinstance(fact, facts.ToolUsed):
            write = log.warning if fact.outcome.is_fault else log.info
            write("tool_used", **_fields(fact) | {"outcome": fact.outcome.value})
        elif isinstance(fact.entry, ToolStarted):
            begun = fact.entry
            log.info("tool_started", name=begun.name, call_id=begun.call_id, turn=begun.turn)

    def _turn(self, turn: facts.TurnEnded) -> dict[str, object]:
        fields: dict[str, object] = {
            "turn": turn.turn,
            "response_ms": turn.response_ms,
            "interrupted": turn.interrupted,
        }
        if self._with_transcripts:
            fields |= {"caller_said": turn.caller, "agent_said": turn.agent}
        return fields

    def _given(self, fact: facts.Fact) -> dict[str, object]:
        """What the caller gave stands in a line as their words do: where that is switched on."""
        fields = _fields(fact)
        return fields if self._with_transcripts else {k: v for k, v in fields.items() if k not in _GIVEN}

    def _late(self, came: facts.CallerWordsCame) -> dict[str, object]:
        words = {"caller_said": came.caller} if self._with_transcripts else {}
        return {"turn": came.turn, **words}

    def _refused(self, log: structlog.typing.FilteringBoundLogger, end: facts.StreamEnded) -> None:
        # What is wrong with a token is said in a few words of ours; how a socket closed may be a peer's.
        is_about_token = end.reason is EndReason.REJECTED_AUTH
        kind = end.detail if is_about_token else end.reason.value
        count = self._refused_before.take(f"stream_ended: {kind}", self._now())
        if count is not None:
            self._ended(log.bind(count=count), end)

    def _ended(self, log: structlog.typing.FilteringBoundLogger, end: facts.StreamEnded) -> None:
        fields = _fields(end) | {
            "reason": end.reason.value,
            "follows": end.follows.__struct_config__.tag,
            "usage": msgspec.structs.asdict(end.usage),
        }
        write = log.info if end.reason.is_normal else log.warning
        write("stream_ended", **fields)


def _fields(fact: facts.Fact) -> dict[str, object]:
    names = (name for name in fact.__struct_fields__ if name not in _PLACE and name not in _OF_RECORDS)
    return {name: getattr(fact, name) for name in names}


def _plain(fact: facts.Fact) -> dict[str, object]:
    """Of a transfer neither the address nor the words: for whom a name stands the operator knows."""
    match fact:
        case TransferAsked(transfer_id, transfer, is_held):
            return {"transfer_id": transfer_id, "name": transfer.name, "is_held": is_held}
        case ConsentGiven(how):
            return {"how": how}
        case TransferEnded(outcome=outcome):
            return _fields(fact) | {"outcome": outcome.value}
        case _:
            return _fields(fact)
