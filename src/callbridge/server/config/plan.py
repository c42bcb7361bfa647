"""Settings and agent into the plan of a call: the session exactly as the wire wants it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from callbridge.agents.in_call import AgentInCall
from callbridge.agents.languages.codes import primary
from callbridge.agents.languages.texts import language_texts
from callbridge.call.limits import Limits
from callbridge.call.plan import CallPlan
from callbridge.call.price import microdollars
from callbridge.server.config.prices import price_of
from callbridge.wire import realtime_commands as commands
from callbridge.wire.realtime_events import MULAW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.agents.agent import Agent
    from callbridge.agents.context import About
    from callbridge.call.facts import Fact
    from callbridge.server.config.settings import Settings

DEFAULT_AGENT: Final = "default"
"""The name of the one agent that a process has."""


ANSWER_PATIENCE_S: Final = {"medium": 12.0, "high": 20.0, "xhigh": 30.0}
"""How long a model may say nothing that is asked to think harder; otherwise 8 s."""

GIVE_UP_LATER_S: Final = 7.0
"""From the loss of a silent session to the fallback plan: another one may be had meanwhile, and speak."""


class Plans:
    """What each call is to be: which agent answers, and with which session, prices and limits.

    The agent is chosen in the webhook, and its name rides in the stream token, so that whichever process gets
    the stream makes the same plan.

    Args:
        settings: fill what an agent leaves open.
        agent: who answers.
        limits: the bounds of every call.
    """

    def __init__(self, settings: Settings, agent: Agent, limits: Limits) -> None:
        self._settings, self._agent, self.limits = settings, agent, limits

    def choose(self, _called: str) -> str:
        """The name of the agent that answers a call to this number."""
        return DEFAULT_AGENT

    def model(self, _name: str) -> str:
        """The model that speaks for this agent."""
        return self._agent.model or self._settings.realtime_model

    def language(self, _name: str) -> str | None:
        """The language of this agent's callers; nothing where it is detected."""
        return language_of(self._settings, self._agent)

    async def open(self, _name: str, about: About, earlier: Sequence[Fact]) -> tuple[CallPlan, AgentInCall]:
        """The plan of a call that this agent answers, and the agent in it.

        Args:
            about: what is known of the call.
            earlier: its facts so far, those of the webhook included.
        """
        plan, agent = await planned(self._settings, self._agent, about, earlier)
        return replace(plan, limits=self.limits, agent=DEFAULT_AGENT), agent


async def planned(
    settings: Settings, agent: Agent, about: About, earlier: Sequence[Fact] = ()
) -> tuple[CallPlan, AgentInCall]:
    """The plan of a call that `agent` answers, and the agent in it.

    What it leaves open the settings fill, and what they leave open the texts of its language.
    """
    in_call = AgentInCall(agent, about, earlier)
    texts = language_texts(language_of(settings, agent))
    await in_call.prepare(
        texts.agent_instructions if settings.agent_instructions is None else settings.agent_instructions,
        texts.greeting if settings.agent_greeting is None else settings.agent_greeting,
        texts.speak,
    )
    return _plan(settings, agent, in_call), in_call


def language_of(settings: Settings, agent: Agent) -> str | None:
    """The language of this agent's callers; nothing where it is detected."""
    return agent.language or settings.language


def _plan(settings: Settings, agent: Agent, in_call: AgentInCall) -> CallPlan:
    audio = commands.Audio(
        commands.AudioInput(
            MULAW, _turn_detection(settings), _transcription(settings, agent), _noise_reduction(settings)
        ),
        commands.AudioOutput(MULAW, agent.voice or settings.realtime_voice),
    )
    session = commands.Session(
        instructions=in_call.instructions,
        audio=audio,
        tools=in_call.definitions,
        tool_choice="auto",
        output_modalities=("audio",),
        max_output_tokens=settings.max_output_tokens,
        truncation=_truncation(settings),
        reasoning=commands.Reasoning(settings.reasoning_effort) if settings.reasoning_effort else None,
    )
    return CallPlan(
        settings.realtime_model,
        session,
        in_call.greeting,
        second_model=settings.second_model,
        price=price_of(settings.realtime_model),
        second_price=None if settings.second_model is None else price_of(settings.second_model),
        spend_max_microdollars=(
            None if settings.spend_per_call_max is None else microdollars(settings.spend_per_call_max)
        ),
        is_greeting_interruptible=agent.greeting_interruptible,
        menu_keys=frozenset(agent.keys),
        person_key=agent.person_key,
        reads_keys=bool(agent.abilities),
    )


def call_limits(settings: Settings) -> Limits:
    """The bounds of every call, as far as they can be set."""
    usual = Limits()
    answer_s = settings.answer_patience_seconds or ANSWER_PATIENCE_S.get(
        settings.reasoning_effort or "low", usual.answer_timeout_s
    )
    return Limits(
        call_length_max_s=settings.call_minutes_max * 60.0,
        caller_silence_s=float(settings.caller_silence_seconds),
        utterance_max_s=float(settings.utterance_seconds_max),
        answer_timeout_s=answer_s,
        # Impatience with the model does not shorten the time of a tool (12 s at most) or of a rate limit.
        give_up_after_s=max(usual.give_up_after_s, answer_s + GIVE_UP_LATER_S),
        wait_max_s=max(usual.wait_max_s, answer_s + 2 * GIVE_UP_LATER_S),
        tool_timeout_s=float(settings.tool_seconds),
    )


def _turn_detection(settings: Settings) -> commands.ServerVad | commands.SemanticVad:
    if settings.vad_kind == "semantic_vad":
        return commands.SemanticVad(settings.vad_eagerness)
    return commands.ServerVad(
        settings.vad_threshold, settings.vad_prefix_padding_ms, settings.vad_silence_duration_ms
    )


def _transcription(settings: Settings, agent: Agent) -> commands.Transcription | None:
    if not settings.transcribes:
        return None
    language = language_of(settings, agent)
    # The vendor takes no country.
    return commands.Transcription(settings.transcription_model, primary(language) if language else None)


def _noise_reduction(settings: Settings) -> commands.NoiseReduction | None:
    kind = settings.noise_reduction
    return None if kind == "off" else commands.NoiseReduction(kind)


def _truncation(settings: Settings) -> Literal["auto", "disabled"] | commands.RetentionRatio:
    kept = settings.truncation
    if kept == "auto" or kept == "disabled":
        return kept
    limit = settings.truncation_post_instructions_tokens
    return commands.RetentionRatio(kept, None if limit is None else commands.TokenLimits(limit))
