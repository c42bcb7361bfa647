"""Judges the key, the models and the voice, by their looks, what this version knows of them, and the date."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from callbridge.server.config.findings import Finding, error, ok, warning
from callbridge.server.config.models import (
    CUSTOM_VOICE_PREFIX,
    VOICES,
    TranscriptionModel,
    VoiceModel,
    transcription_model,
    voice_model,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.server.config.settings import Settings

SHUTDOWN_NOTICE = dt.timedelta(days=60)
"""How long before a model is switched off the warnings begin."""

_VENDOR_HOST = "api.openai.com"


def key(settings: Settings) -> Finding:
    """Whether the key looks like one of the vendor."""
    if settings.openai_api_key.get_secret_value().startswith("sk-") or not _uses_vendor(settings):
        return ok("the key for the voice model is set")
    return warning(
        "OPENAI_API_KEY does not begin with sk-, as keys of OpenAI do",
        "Create one at https://platform.openai.com/api-keys.",
    )


def model(settings: Settings, today: dt.date) -> Finding:
    """Whether the model can answer a call, today and soon."""
    name = settings.realtime_model
    named = f"CALLBRIDGE_REALTIME_MODEL={name}"
    unfit = f"{named} cannot answer a call"
    part = _Part(
        named=named, well=f"calls are answered by {name}", unfit=unfit, switched_off=name, is_needed=True
    )
    return _judged(part, voice_model(name), today)


def model_of_agent(name: str, model: str, today: dt.date) -> Finding:
    """The same of the model that an agent names itself."""
    named = f"model={model} of agent {name}"
    part = _Part(
        named=named,
        well=f"agent {name} speaks with {model}",
        unfit=f"{named} cannot answer a call",
        switched_off=named,
        is_needed=True,
    )
    return _judged(part, voice_model(model), today)


def effort_of_agent(name: str, effort: str, models: Iterable[str | None]) -> Iterator[Finding]:
    """Whether the models that speak for an agent can think as hard as it says itself."""
    for model in models:
        known = None if model is None else voice_model(model)
        if known is not None and not known.has_reasoning:
            yield error(
                f"agent {name}: reasoning_effort={effort} is set, but {model} does not reason",
                "Remove it, or let another model speak; this one refuses the whole session.",
            )


def second_model(settings: Settings, today: dt.date) -> Iterator[Finding]:
    """The same of the model that is dialled when the first is not found, and so is not needed."""
    name = settings.second_model
    if name is None:
        return
    named = f"CALLBRIDGE_REALTIME_SECOND_MODEL={name}"
    well = f"should {settings.realtime_model} not be found, {name} is tried"
    part = _Part(named=named, well=well, unfit=f"{named} cannot answer a call", switched_off=named)
    yield _judged(part, voice_model(name), today)


def transcription(settings: Settings, today: dt.date) -> Finding:
    """Whether the caller's words can be written down. A call whose transcription is refused does without."""
    name = settings.transcription_model
    if not settings.transcribes:
        return ok("the caller's words are not written down")
    named = f"CALLBRIDGE_TRANSCRIPTION_MODEL={name}"
    well = f"the caller's words are written down by {name}"
    part = _Part(named=named, well=well, unfit=f"{name} cannot write down a call", switched_off=name)
    return _judged(part, transcription_model(name), today)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is said of the model in one part of a call."""

    named: str
    """The variable with its value."""
    well: str
    unfit: str
    switched_off: str
    """Who is or was switched off."""
    is_needed: bool = False
    """Whether no call is taken without it; otherwise it may be off."""


def _judged(part: _Part, model: VoiceModel | TranscriptionModel | None, today: dt.date) -> Finding:
    """What this version knows of a model, and the date."""
    if model is None:
        what = f"{part.named} is not known to this version of callbridge"
        or_off = "" if part.is_needed else ", or set it to off"
        return warning(what, f"Fine if it is newer; otherwise correct the name{or_off}.")
    remedy = f"Set {part.named.partition('=')[0]}={model.successor}{'' if part.is_needed else ', or off'}."
    unusable = error if part.is_needed else warning
    if model.unfit is not None:
        return unusable(f"{part.unfit}: {model.unfit}", remedy)
    if model.shutdown is None or today < model.shutdown - SHUTDOWN_NOTICE:
        return ok(part.well)
    if today < model.shutdown:
        return warning(f"{part.switched_off} is switched off on {model.shutdown}", remedy)
    return unusable(f"{part.switched_off} was switched off on {model.shutdown}", remedy)


def voice(settings: Settings, model: str, voice: str) -> Finding:
    """Whether the model has this voice."""
    if voice in VOICES or voice.startswith(CUSTOM_VOICE_PREFIX):
        return ok(f"it speaks with the voice {voice}")
    what = f"the voice {voice} is none of {', '.join(sorted(VOICES))}"
    remedy = "Set CALLBRIDGE_REALTIME_VOICE to one of these; the model refuses a session with an unknown one."
    # A new model may have new voices; the ones that we know do not.
    is_certain = _uses_vendor(settings) and voice_model(model) is not None
    return error(what, remedy) if is_certain else warning(what, remedy)


def _uses_vendor(settings: Settings) -> bool:
    return urlsplit(settings.realtime_url).hostname == _VENDOR_HOST
