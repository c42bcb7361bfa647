"""The log of a call: a line per fact, one canonical line at its end. From these alone a call can be rebuilt.

What was said stands in a line only when that is switched on; numbers are masked by the log's own redaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import structlog

from callbridge.call import facts

if TYPE_CHECKING:
    from callbridge.call.machine import Call


class CallLog:
    """Writes the facts of all calls."""

    def __init__(self, *, with_transcripts: bool) -> None:
        self._with_transcripts = with_transcripts
        self._log = structlog.get_logger()

    def __call__(self, call: Call, fact: facts.Fact) -> None:
        """Writes one line. The identity of call and stream is on every one."""
        log = self._log.bind(call_sid=call.call_sid, stream_sid=call.stream_sid)
        match fact:
            case facts.CallStarted():
                log.info(
                    "call_started",
                    caller=fact.caller,
                    called=fact.called,
                    is_continued=fact.is_continued,
                )
            case facts.AgentReady():
                log.info("agent_ready", **_fields(fact))
            case facts.ModelTrouble():
                # What no second try can mend wants somebody to look; the rest is mended by the next line.
                write = log.error if fact.is_fatal else log.warning
                write("model_trouble", **_fields(fact))
            case facts.SessionReplaced():
                log.info("session_replaced", **_fields(fact))
            case facts.ClipPlayed():
                log.info("clip_played", why=fact.why)
            case facts.Remembered():
                pass  # For the state: the words of a tool's answer are not for a log.
            case facts.Interrupted():
                log.info(
                    "interrupted",
                    truncated_ms=dict(fact.truncated),
                    deleted=list(fact.deleted),
                    unheard_ms=fact.unheard_ms,
                )
            case facts.ToolUsed():
                log.info("tool_used", **_fields(fact))
            case facts.TurnEnded():
                log.info("turn_ended", **self._turn(fact))
            case facts.CallEnded():
                self._ended(log, fact)
            case facts.Noted():
                write = log.warning if fact.is_warning else log.info
                write(fact.event, **dict(fact.fields))
            case _:
                assert_never(fact)

    def _turn(self, turn: facts.TurnEnded) -> dict[str, object]:
        fields: dict[str, object] = {
            "turn": turn.number,
            "response_ms": turn.response_ms,
            "interrupted": turn.interrupted,
        }
        if self._with_transcripts:
            fields |= {"caller": turn.caller, "agent": turn.agent}
        return fields

    def _ended(self, log: structlog.typing.FilteringBoundLogger, end: facts.CallEnded) -> None:
        fields = _fields(end) | {"reason": end.reason.value, "usage": _fields(end.usage)}
        write = log.info if end.reason.is_normal else log.warning
        write("call_ended", **fields)


def _fields(
    fact: facts.AgentReady
    | facts.ModelTrouble
    | facts.SessionReplaced
    | facts.ToolUsed
    | facts.CallEnded
    | facts.Usage,
) -> dict[str, object]:
    return {name: getattr(fact, name) for name in fact.__slots__}
