"""Settings and agent into the plan of a call: the session exactly as the wire wants it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import structlog

from callbridge.agents.detection import SemanticVad, ServerVad
from callbridge.agents.in_call import AgentInCall
from callbridge.agents.languages.codes import primary
from callbridge.agents.languages.texts import language_texts
from callbridge.call.limits import Limits
from callbridge.call.plan import CallPlan
from callbridge.call.price import microdollars
from callbridge.server.config.models import voice_model
from callbridge.server.config.prices import read_prices
from callbridge.server.config.say import are_for
from callbridge.wire import realtime_commands as commands
from callbridge.wire.realtime_events import MULAW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callbridge.agents.agent import Agent, ReasoningEffort
    from callbridge.agents.choosing.choice import Chosen, Roster
    from callbridge.agents.context import About
    from callbridge.agents.outside import Outside
    from callbridge.call.facts import Fact
    from callbridge.server.config.settings import Settings

ANSWER_PATIENCE_S: Final = {"medium": 12.0, "high": 20.0, "xhigh": 30.0}
"""How long a model may say nothing that is asked to think harder; otherwise 8 s."""

GIVE_UP_LATER_S: Final = 7.0
"""From the loss of a silent session to the fallback plan: another one may be had meanwhile, and speak."""

_log = structlog.get_logger()


class Plans:
    """What each call is to be: which agent answers, and with which session, prices and limits.

    The agent is chosen in the webhook, and its name rides in the stream token, so that whichever process gets
    the stream makes the same plan.

    Args:
        settings: fill what an agent leaves open.
        roster: who answers.
        limits: the bounds of every call, where its agent has none of its own.
    """

    def __init__(self, settings: Settings, roster: Roster, limits: Limits) -> None:
        self._settings, self.roster, self.limits = settings, roster, limits

    async def choose(self, about: About) -> Chosen:
        """Who answers a call, by name."""
        return await self.roster.choose(about)

    def model(self, name: str = "") -> str:
        """The model that speaks for this agent; without a name, for the default one."""
        return model_of(self._settings, self.roster.find(name)[1])

    def language(self, name: str) -> str | None:
        """The language of this agent's callers; nothing where it is detected."""
        return language_of(self._settings, self.roster.find(name)[1])

    async def open(
        self, name: str, about: About, earlier: Sequence[Fact], outside: Outside | None = None
    ) -> tuple[CallPlan, AgentInCall]:
        """The plan of a call that this agent answers, and the agent in it.

        Args:
            name: who was chosen. One that nobody has here, as after a deploy, leads to the default.
            about: what is known of the call; what its agent says of itself is filled in.
            earlier: its facts so far, those of the webhook included.
            outside: what the process does for the agent beyond the call.
        """
        known_as, agent = self.roster.find(name)
        if known_as != name:
            _log.warning("agent_not_known", call_sid=about.sid, name=name, agent=known_as)
        about = replace(about, agent=known_as)
        plan, in_call = await planned(self._settings, agent, about, earlier, outside)
        limits = limits_of(self._settings, agent, self.limits)
        return replace(plan, limits=limits, agent=known_as), in_call


async def planned(
    settings: Settings,
    agent: Agent,
    about: About,
    earlier: Sequence[Fact] = (),
    outside: Outside | None = None,
) -> tuple[CallPlan, AgentInCall]:
    """The plan of a call that `agent` answers, and the agent in it.

    What it leaves open the settings fill, and what they leave open the texts of its language.
    """
    language = language_of(settings, agent)
    at_home = replace(about, language=language or "", time_zone=agent.time_zone or settings.time_zone)
    in_call = AgentInCall(agent, at_home, earlier, outside)
    texts, greeting = language_texts(language), settings.agent_greeting
    if in_call.recording is not None and settings.recordings is not None:
        in_call.recording.allow({"announced": texts.recording_announced, "asked": texts.recording_asked})
    await in_call.prepare(
        texts.agent_instructions if settings.agent_instructions is None else settings.agent_instructions,
        greeting if greeting is not None and are_for(settings, language) else texts.greeting,
        texts.speak,
    )
    return _plan(settings, agent, in_call, about), in_call


def _plan(settings: Settings, agent: Agent, in_call: AgentInCall, about: About) -> CallPlan:
    model, second = model_of(settings, agent), second_model_of(settings, agent)
    prices = read_prices(settings.prices).list
    spend_max = agent.spend_max or settings.spend_per_call_max
    return CallPlan(
        model,
        _session(settings, agent, in_call),
        in_call.greeting,
        second_model=second,
        price=prices.model(model),
        second_price=None if second is None else prices.model(second),
        transcription_price=prices.transcription_model(settings.transcription_model),
        line_price=prices.line(about.caller.number, about.called),
        spend_max_microdollars=None if spend_max is None else microdollars(spend_max),
        is_greeting_interruptible=agent.greeting_interruptible,
        tells_greeting=in_call.recording is not None and in_call.recording.is_in_greeting,
        menu_keys=frozenset(key for one in in_call.agents for key in one.keys),
        person_key=agent.person_key,
        reads_keys=in_call.reads_keys,
        rings_apart=settings.twilio_rest,
    )


def _session(settings: Settings, agent: Agent, in_call: AgentInCall) -> commands.Session:
    effort = effort_of(settings, agent)
    return commands.Session(
        instructions=in_call.instructions,
        audio=commands.Audio(
            commands.AudioInput(
                MULAW,
                _turn_detection(settings, agent.turn_detection),
                _transcription(settings, agent),
                _noise_reduction(settings),
            ),
            commands.AudioOutput(MULAW, agent.voice or settings.realtime_voice),
        ),
        tools=(*in_call.definitions, *in_call.models_servers),
        tool_choice="auto",
        output_modalities=("audio",),
        max_output_tokens=settings.max_output_tokens,
        truncation=_truncation(settings),
        reasoning=None if effort is None else commands.Reasoning(effort),
        include=("item.input_audio_transcription.logprobs",) if _rates_words(settings, in_call) else None,
    )


def _rates_words(settings: Settings, in_call: AgentInCall) -> bool:
    """Whether anything asks how sure the transcriber is of the caller's words."""
    flows = [agent.flow for agent in in_call.agents if agent.flow is not None]
    return settings.transcribes and any(flow.rates_words for flow in flows)


# --- What an agent leaves open ------------------------------------------------------------------------


def model_of(settings: Settings, agent: Agent) -> str:
    """The model that speaks for this agent."""
    return agent.model or settings.realtime_model


def second_model_of(settings: Settings, agent: Agent) -> str | None:
    """The model that is dialled when the agent's own is not found; nothing where there is no other."""
    name = settings.realtime_second_model
    return None if name in {"off", model_of(settings, agent)} else name


def effort_of(settings: Settings, agent: Agent) -> ReasoningEffort | None:
    """How hard the model thinks for this agent.

    The settings mean their own model: an agent with another one, which does not reason, is asked for none.
    """
    if agent.reasoning_effort is not None:
        return agent.reasoning_effort
    known = voice_model(model_of(settings, agent))
    return settings.reasoning_effort if known is None or known.has_reasoning else None


def language_of(settings: Settings, agent: Agent) -> str | None:
    """The language of this agent's callers; nothing where it is detected."""
    return agent.language or settings.language


def call_limits(settings: Settings) -> Limits:
    """The bounds of every call, as far as they can be set."""
    usual = Limits(
        call_length_max_s=settings.call_minutes_max * 60.0,
        caller_silence_s=float(settings.caller_silence_seconds),
        utterance_max_s=float(settings.utterance_seconds_max),
        tool_timeout_s=float(settings.tool_seconds),
    )
    return _with_patience(usual, _patience_s(settings, settings.reasoning_effort))


def limits_of(settings: Settings, agent: Agent, limits: Limits) -> Limits:
    """The bounds of a call that this agent answers; `limits` are those of every call."""
    if agent.tool_timeout_s is not None:
        limits = replace(limits, tool_timeout_s=agent.tool_timeout_s)
    effort = effort_of(settings, agent)
    if effort == settings.reasoning_effort:
        return limits
    return _with_patience(limits, _patience_s(settings, effort))


def _patience_s(settings: Settings, effort: ReasoningEffort | None) -> float:
    usual_s = ANSWER_PATIENCE_S.get(effort or "low", Limits().answer_timeout_s)
    return settings.answer_patience_seconds or usual_s


def _with_patience(limits: Limits, answer_s: float) -> Limits:
    usual = Limits()
    return replace(
        limits,
        answer_timeout_s=answer_s,
        # Impatience with the model does not shorten the time of a tool (12 s at most) or of a rate limit.
        give_up_after_s=max(usual.give_up_after_s, answer_s + GIVE_UP_LATER_S),
        wait_max_s=max(usual.wait_max_s, answer_s + 2 * GIVE_UP_LATER_S),
    )


def _turn_detection(
    settings: Settings, own: ServerVad | SemanticVad | None
) -> commands.ServerVad | commands.SemanticVad:
    """The agent's kind, or that of the settings; what it leaves open in it, the settings fill."""
    if own is None:
        own = SemanticVad() if settings.vad_kind == "semantic_vad" else ServerVad()
    if isinstance(own, SemanticVad):
        return commands.SemanticVad(own.eagerness or settings.vad_eagerness)
    return commands.ServerVad(
        settings.vad_threshold if own.threshold is None else own.threshold,
        settings.vad_prefix_padding_ms if own.prefix_padding_ms is None else own.prefix_padding_ms,
        settings.vad_silence_duration_ms if own.silence_duration_ms is None else own.silence_duration_ms,
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
