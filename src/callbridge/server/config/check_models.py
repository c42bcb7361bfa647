"""Judges the key, the models and the voice, by their looks, what this version knows of them, and the date."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from callbridge.server.config.findings import Finding, error, ok, warning
from callbridge.server.config.models import (
    CUSTOM_VOICE_PREFIX,
    VOICES,
    transcription_model,
    voice_model,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def model(settings: Settings, today: dt.date) -> Iterator[Finding]:
    """Whether the model can answer a call, today and soon."""
    name = settings.realtime_model
    model = voice_model(name)
    if model is None:
        yield warning(
            f"CALLBRIDGE_REALTIME_MODEL={name} is not known to this version of callbridge",
            "Fine if it is newer; otherwise correct the name.",
        )
        return
    remedy = f"Set CALLBRIDGE_REALTIME_MODEL={model.successor}."
    if model.unfit is not None:
        yield error(f"CALLBRIDGE_REALTIME_MODEL={name} cannot answer a call: {model.unfit}", remedy)
    elif model.shutdown is None or today < model.shutdown - SHUTDOWN_NOTICE:
        yield ok(f"calls are answered by {name}")
    elif today < model.shutdown:
        yield warning(f"{name} is switched off on {model.shutdown}", remedy)
    else:
        yield error(f"{name} was switched off on {model.shutdown}", remedy)


def second_model(settings: Settings, today: dt.date) -> Iterator[Finding]:
    """The same of the model that is dialled when the first is not found."""
    # Never an error: it is dialled only where the first model is not found.
    name = settings.second_model
    if name is None:
        return
    model = voice_model(name)
    if model is None:
        yield warning(
            f"CALLBRIDGE_REALTIME_SECOND_MODEL={name} is not known to this version of callbridge",
            "Fine if it is newer; otherwise correct the name, or set it to off.",
        )
        return
    remedy = f"Set CALLBRIDGE_REALTIME_SECOND_MODEL={model.successor}, or off."
    if model.unfit is not None:
        yield warning(f"CALLBRIDGE_REALTIME_SECOND_MODEL={name} cannot answer a call: {model.unfit}", remedy)
    elif model.shutdown is None or today < model.shutdown - SHUTDOWN_NOTICE:
        yield ok(f"should {settings.realtime_model} not be found, {name} is tried")
    else:
        verb = "is" if today < model.shutdown else "was"
        yield warning(
            f"CALLBRIDGE_REALTIME_SECOND_MODEL={name} {verb} switched off on {model.shutdown}", remedy
        )


def transcription(settings: Settings, today: dt.date) -> Finding:
    """Whether the caller's words can be written down."""
    # Never an error: a call whose transcription is refused goes on without it.
    name = settings.transcription_model
    model = transcription_model(name)
    if not settings.transcribes:
        return ok("the caller's words are not written down")
    if model is None:
        return warning(
            f"CALLBRIDGE_TRANSCRIPTION_MODEL={name} is not known to this version of callbridge",
            "Fine if it is newer; otherwise correct the name, or set it to off.",
        )
    remedy = f"Set CALLBRIDGE_TRANSCRIPTION_MODEL={model.successor}, or off."
    if model.unfit is not None:
        return warning(f"{name} cannot write down a call: {model.unfit}", remedy)
    if model.shutdown is None or today < model.shutdown - SHUTDOWN_NOTICE:
        return ok(f"the caller's words are written down by {name}")
    verb = "is" if today < model.shutdown else "was"
    return warning(f"{name} {verb} switched off on {model.shutdown}", remedy)


def voice(settings: Settings, voice: str) -> Finding:
    """Whether the model has this voice."""
    if voice in VOICES or voice.startswith(CUSTOM_VOICE_PREFIX):
        return ok(f"it speaks with the voice {voice}")
    what = f"the voice {voice} is none of {', '.join(sorted(VOICES))}"
    remedy = "Set CALLBRIDGE_REALTIME_VOICE to one of these; the model refuses a session with an unknown one."
    # A new model may have new voices; the ones that we know do not.
    is_certain = _uses_vendor(settings) and voice_model(settings.realtime_model) is not None
    return error(what, remedy) if is_certain else warning(what, remedy)


def _uses_vendor(settings: Settings) -> bool:
    return urlsplit(settings.realtime_url).hostname == _VENDOR_HOST
