"""Asks the model's vendor whether a call would get its session: key, model, voice, tools. It costs nothing.

A session is opened and configured as that of a call is; nothing is said in it and nothing asked for.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from callbridge.agents.context import About, Caller
from callbridge.bridge.legs.leg import DialError
from callbridge.call.codes import CLOSE_SAYS, RATE_LIMIT_CODES, UNKNOWN_MODEL_CODES
from callbridge.call.events import LegGone
from callbridge.call.sessions.trouble import Trouble
from callbridge.server.config.check_start import of_agent
from callbridge.server.config.findings import Finding, Level, error, ok, warning
from callbridge.server.config.plan import planned
from callbridge.server.process.model_dialing import model_dialer
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as events
from callbridge.wire.errors import ProtocolError

if TYPE_CHECKING:
    from callbridge.agents.agent import Agent
    from callbridge.agents.choosing.choice import Roster
    from callbridge.bridge.legs.leg import Dialer, LegEnd, SocketLeg
    from callbridge.call.plan import CallPlan
    from callbridge.server.config.settings import Settings

ANSWER_S: Final = 10.0
"""From the connection to the confirmed session. A call waits less, but a check shall say what is wrong."""

_WORDS_MAX: Final = 300
_QUOTA_CODES: Final = frozenset(
    {"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached", "account_deactivated"}
)


async def ask_for_all(settings: Settings, roster: Roster, *, answer_s: float = ANSWER_S) -> list[Finding]:
    """What the vendor says of the sessions of all agents: one after the other, until the key is refused.

    Args:
        settings: say where the model is.
        roster: whose sessions are asked for.
        answer_s: how long each model may take to confirm one.
    """
    findings: list[Finding] = []
    for name, agent in roster.agents.items():
        asked = await ask_model(settings, agent, answer_s=answer_s)
        if any(finding.what == _KEY_REFUSED for finding in asked):
            return [*findings, *asked]
        findings += of_agent(name, asked, roster)
    return findings


async def ask_model(settings: Settings, agent: Agent, *, answer_s: float = ANSWER_S) -> list[Finding]:
    """What the vendor says of the session that calls would have, for each of the models.

    Args:
        settings: say where the model is.
        agent: whose session is asked for.
        answer_s: how long each model may take to confirm it.
    """
    asking = _Asking(model_dialer(settings), answer_s)
    plan, _ = await planned(settings, agent, About("", Caller(""), ""))
    findings = await asking.ask(plan, "CALLBRIDGE_REALTIME_MODEL" if agent.model is None else "model")
    if plan.second_model is None or any(finding.what == _KEY_REFUSED for finding in findings):
        return findings
    second = await asking.ask(replace(plan, model=plan.second_model), "CALLBRIDGE_REALTIME_SECOND_MODEL")
    # It is dialled only where the first is not found.
    weighed = [
        replace(finding, level=Level.WARNING) if finding.level is Level.ERROR else finding
        for finding in second
    ]
    return [*findings, *weighed]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why there is no session."""

    why: str
    code: str | None = None
    status: int | None = None
    param: str = ""
    """The field of the session that was refused."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """How the vendor is asked."""

    dialer: Dialer
    answer_s: float

    async def ask(self, plan: CallPlan, variable: str) -> list[Finding]:
        """What is said of one model. `variable` names it."""
        began = time.monotonic()
        refusal = await self._converse(plan)
        after_ms = round((time.monotonic() - began) * 1000)
        if refusal is None:
            voice = plan.session.audio.output.voice
            what = f"{plan.model} takes the key, the voice {voice} and the whole session, after {after_ms} ms"
            return [ok(what)]
        if plan.has_logprobs and "include" in refusal.param:
            unrated = warning(
                f"{plan.model} does not say how sure it is of the caller's words: {refusal.why}",
                'Transitions with source="transcript" will not happen; use source="model" in the flow.',
            )
            return [unrated, *await self.ask(plan.without_logprobs(), variable)]
        if plan.has_transcription and "transcription" in refusal.param:
            # As in a call, which goes on without it.
            unwritten = warning(
                f"{plan.model} refuses the transcription of callers: {refusal.why}",
                "Correct CALLBRIDGE_TRANSCRIPTION_MODEL or CALLBRIDGE_LANGUAGE, or set the first to off.",
            )
            return [unwritten, *await self.ask(plan.without_transcription(), variable)]
        return [_in_words(refusal, plan, variable)]

    async def _converse(self, plan: CallPlan) -> _Refusal | None:
        try:
            leg = await self.dialer.dial(plan.model)
        except DialError as failed:
            return _Refusal(_readable(failed.event.why), failed.event.code, failed.event.status)
        try:
            async with asyncio.timeout(self.answer_s):
                return await _configured(leg, plan)
        except TimeoutError:
            return _Refusal(f"no session within {self.answer_s:g} s")
        finally:
            await leg.close(1000, "")


async def _configured(leg: SocketLeg, plan: CallPlan) -> _Refusal | None:
    """Why the session is not as a call needs it; nothing when it is."""
    heard: asyncio.Queue[str | bytes | LegEnd] = asyncio.Queue()
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(leg.read(heard.put_nowait), name="check reader")
        reading.add_done_callback(lambda task: None if task.cancelled() else heard.put_nowait(task.result()))
        try:
            while True:
                said = await heard.get()
                if not isinstance(said, str | bytes):
                    return _of_end(said)
                event = events.parse(said)
                if isinstance(event, events.SessionCreated):
                    leg.send(commands.encode(commands.UpdateSession(session=plan.session)))
                elif isinstance(event, events.SessionUpdated):
                    return None if event.session.speaks_mulaw else _Refusal("it does not speak µ-law")
                elif isinstance(event, events.ErrorEvent):
                    return _of_error(event.error)
        except ProtocolError as fault:
            return _Refusal(f"what answers is no Realtime API: {fault}")
        finally:
            reading.cancel()


def _of_end(end: LegEnd) -> _Refusal:
    if not isinstance(end, LegGone):
        return _Refusal(_readable(str(end)))
    trouble = Trouble.of_close(f"closed with {end.code} {_readable(end.reason)}", end.code, end.reason)
    return _Refusal(trouble.why.rstrip(), trouble.code)


def _of_error(detail: events.ErrorDetail) -> _Refusal:
    return _Refusal(
        _readable(detail.message or detail.code or "no reason"), detail.code, param=detail.param or ""
    )


def _readable(text: str) -> str:
    """What a peer said, for a terminal: bounded, and without control characters."""
    return "".join(c if c.isprintable() else " " for c in text[:_WORDS_MAX]).rstrip(" .")


# --- In words ---------------------------------------------------------------------------------------

_KEY_REFUSED: Final = "OPENAI_API_KEY was refused"


def _in_words(refusal: _Refusal, plan: CallPlan, variable: str) -> Finding:
    if refusal.code == CLOSE_SAYS[3000] or refusal.status == 401:
        # The vendor's own words repeat parts of the key.
        return error(_KEY_REFUSED, "Create one at https://platform.openai.com/api-keys.")
    if refusal.code in UNKNOWN_MODEL_CODES or refusal.status == 404:
        return error(
            f"{variable}={plan.model} is not found: {refusal.why}",
            "Correct the name, or let the project of the key use this model.",
        )
    if refusal.code in _QUOTA_CODES:
        return error(
            f"the account of OPENAI_API_KEY takes no calls: {refusal.why}",
            "See https://platform.openai.com/settings/organization/billing.",
        )
    if refusal.code in RATE_LIMIT_CODES or refusal.status == 429:
        return warning(f"{plan.model} has too much to do for this account: {refusal.why}", "Ask again later.")
    if refusal.param.endswith("voice"):
        return error(
            f"the voice {plan.session.audio.output.voice} was refused by {plan.model}: {refusal.why}",
            "Correct CALLBRIDGE_REALTIME_VOICE, or the voice of the agent.",
        )
    if refusal.param:
        return error(
            f"{plan.model} refuses {_readable(refusal.param)}: {refusal.why}",
            "Correct the setting or the tool that it names.",
        )
    return error(
        f"{plan.model} gives no session: {refusal.why}",
        "Look at CALLBRIDGE_REALTIME_URL, the network and https://status.openai.com.",
    )
