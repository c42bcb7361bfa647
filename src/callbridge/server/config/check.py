"""Judges a configuration before a caller does: what is missing, wrong, or about to be.

No network: what only the vendors know (does the key work?) is left to the first call. Files are looked
for, not opened. The date, the port and the user's agent come in as arguments. An error means that no call
could be taken; a warning means that calls work, but perhaps not as wished or not for long.
"""

from __future__ import annotations

import datetime as dt
import errno
import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from callbridge.agents.loading import AgentError
from callbridge.server.config.check_control import control
from callbridge.server.config.check_descriptors import check_descriptors
from callbridge.server.config.check_trust import trust
from callbridge.server.config.findings import Finding, as_findings, error, ok, warning
from callbridge.server.config.models import (
    CUSTOM_VOICE_PREFIX,
    VOICES,
    TranscriptionModel,
    VoiceModel,
    transcription_model,
    voice_model,
)
from callbridge.server.config.prices import PRICES_AS_OF, price_of
from callbridge.server.config.setting_names import variable
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.config.settings import Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from callbridge.agents.agent import Agent

SHUTDOWN_NOTICE = dt.timedelta(days=60)
"""How long before a model is switched off the warnings begin."""

SILENCE_SHORT_MS = 200
"""Below this, people are taken to have finished in the middle of a sentence."""

SILENCE_LONG_MS = 2_000
"""Above this, callers wonder whether anybody is there."""

_SPEND_CAPS = ("spend_per_call_max", "spend_per_hour_max", "spend_per_day_max")
"""From the shortest time to the longest."""

_VENDOR_HOST = "api.openai.com"
_HEADER_TEXT = re.compile(r"[!-~]+")


def check(
    environment: Mapping[str, str] | None = None,
    *,
    today: dt.date,
    load_agent: Callable[[str], Agent],
    try_to_listen: Callable[[str, int], OSError | None],
    descriptors: int,
) -> list[Finding]:
    """All there is to say about `environment` (by default that of this process and its `.env`).

    Args:
        environment: the variables by name.
        today: tells which models are gone.
        load_agent: finds the agent that CALLBRIDGE_AGENT names, or raises `AgentError`.
        try_to_listen: what becomes of binding a socket to this host and port.
        descriptors: how many the process may have.
    """
    try:
        settings = read_settings(environment)
    except SettingsError as fault:
        return as_findings(fault.problems)
    return [
        *_openai_key(settings),
        *trust(settings),
        *_public_address(settings),
        _port(settings, try_to_listen(settings.host, settings.port)),
        *check_descriptors(settings, descriptors),
        *control(settings, try_to_listen),
        *_model(settings, voice_model(settings.realtime_model), today),
        *_second_model(settings, today),
        _transcription(settings, transcription_model(settings.transcription_model), today),
        *_turn_detection(settings),
        *_without_effect(settings),
        *_agent_and_voice(settings, load_agent),
        *_clip(settings),
        _fallback(settings),
        *_spending(settings),
        *_state(settings),
    ]


def _openai_key(settings: Settings) -> Iterator[Finding]:
    key = settings.openai_api_key.get_secret_value()
    if not _HEADER_TEXT.fullmatch(key):
        yield error(
            "OPENAI_API_KEY has a space or a character that no key has",
            "Copy it again, on one line and without quotes.",
        )
    elif not key.startswith("sk-") and _uses_vendor(settings):
        yield warning(
            "OPENAI_API_KEY does not begin with sk-, as keys of OpenAI do",
            "Create one at https://platform.openai.com/api-keys.",
        )
    else:
        yield ok("the key for the voice model is set")


def _public_address(settings: Settings) -> Iterator[Finding]:
    host = urlsplit(settings.public_base_url).hostname or ""
    if not settings.is_public:
        yield warning(
            f"PUBLIC_BASE_URL is {settings.public_base_url}, which only this machine can reach",
            "Fine for simulated calls; for real ones set the https:// address of a tunnel or host.",
        )
    elif _is_private(host):
        yield error(
            f"PUBLIC_BASE_URL is {settings.public_base_url}, which Twilio cannot reach",
            "Set an address of the public internet, such as that of a tunnel.",
        )
    else:
        yield ok(f"Twilio reaches the webhook at {settings.voice_url}")
        if settings.listens_on_loopback:
            yield warning(
                f"CALLBRIDGE_HOST is {settings.host}, so only a tunnel on this machine can bring calls in",
                "Fine with a tunnel; in a container remove CALLBRIDGE_HOST.",
            )


def _port(settings: Settings, failure: OSError | None) -> Finding:
    address = f"{settings.host} port {settings.port}"
    if failure is None:
        return ok(f"{address} is free to listen on")
    if failure.errno == errno.EADDRINUSE:
        return warning(
            f"something listens on {address} already",
            "Fine if it is this service; otherwise stop it, or set another PORT.",
        )
    return cannot_listen(settings, failure)


def cannot_listen(settings: Settings, failure: OSError) -> Finding:
    """Why the service has no port."""
    address = f"{settings.host} port {settings.port}"
    if failure.errno == errno.EADDRINUSE:
        return error(
            f"something listens on {address} already",
            f"Find it (ss -ltnp 'sport = :{settings.port}') and stop it, or set another PORT.",
        )
    return error(
        f"one cannot listen on {address}: {failure.strerror or failure}",
        "Set another CALLBRIDGE_HOST or PORT.",
    )


def _model(settings: Settings, model: VoiceModel | None, today: dt.date) -> Iterator[Finding]:
    name = settings.realtime_model
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


def _second_model(settings: Settings, today: dt.date) -> Iterator[Finding]:
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


def _transcription(settings: Settings, model: TranscriptionModel | None, today: dt.date) -> Finding:
    # Never an error: a call whose transcription is refused goes on without it.
    name = settings.transcription_model
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


def _turn_detection(settings: Settings) -> Iterator[Finding]:
    if settings.vad_kind != "server_vad":
        return
    silence_ms = settings.vad_silence_duration_ms
    if silence_ms < SILENCE_SHORT_MS:
        yield warning(
            f"CALLBRIDGE_VAD_SILENCE_DURATION_MS={silence_ms} answers in the middle of sentences",
            "Set it to 300 to 700.",
        )
    if silence_ms > SILENCE_LONG_MS:
        yield warning(
            f"CALLBRIDGE_VAD_SILENCE_DURATION_MS={silence_ms} makes every answer that late",
            "Set it to 300 to 700.",
        )
    if settings.vad_threshold in {0.0, 1.0}:
        heard = "every noise as speech" if settings.vad_threshold == 0.0 else "no speech at all"
        yield warning(
            f"CALLBRIDGE_VAD_THRESHOLD={settings.vad_threshold:g} hears {heard}", "Set it to 0.3 to 0.8."
        )


def _without_effect(settings: Settings) -> Iterator[Finding]:
    idle: dict[str, str] = {}
    if settings.vad_kind == "server_vad":
        idle["vad_eagerness"] = "CALLBRIDGE_VAD_KIND=semantic_vad"
    else:
        numbers = ("vad_threshold", "vad_prefix_padding_ms", "vad_silence_duration_ms")
        idle |= dict.fromkeys(numbers, "CALLBRIDGE_VAD_KIND=server_vad")
    if settings.fallback_dial is None:
        idle["fallback_dial_seconds"] = "CALLBRIDGE_FALLBACK_DIAL"
    if not settings.fallback_voicemail:
        idle["voicemail_prompt"] = "CALLBRIDGE_FALLBACK_VOICEMAIL=true"
    if settings.truncation in {"auto", "disabled"}:
        idle["truncation_post_instructions_tokens"] = "CALLBRIDGE_TRUNCATION as a ratio, such as 0.8"
    for name, partner in idle.items():
        if name in settings.model_fields_set:
            yield warning(f"{variable(name)} has no effect", f"It needs {partner}; set that, or remove it.")


AGENT_REMEDY: Final = "Correct CALLBRIDGE_AGENT or the module; it is looked for in the current folder first."


def _agent_and_voice(settings: Settings, load_agent: Callable[[str], Agent]) -> Iterator[Finding]:
    voice = settings.realtime_voice
    if settings.agent is None:
        yield ok("the agent is made from CALLBRIDGE_AGENT_INSTRUCTIONS and CALLBRIDGE_AGENT_GREETING")
    else:
        try:
            agent = load_agent(settings.agent)
        except AgentError as fault:
            yield error(str(fault), AGENT_REMEDY, fault.where)
            return
        voice = agent.voice or voice
        tools = ", ".join(agent.toolbox.names) or "none"
        yield ok(f"the agent is {settings.agent}; its tools: {tools}")
    yield _voice(settings, voice)


def _voice(settings: Settings, voice: str) -> Finding:
    if voice in VOICES or voice.startswith(CUSTOM_VOICE_PREFIX):
        return ok(f"it speaks with the voice {voice}")
    what = f"the voice {voice} is none of {', '.join(sorted(VOICES))}"
    remedy = "Set CALLBRIDGE_REALTIME_VOICE to one of these; the model refuses a session with an unknown one."
    # A new model may have new voices; the ones that we know do not.
    is_certain = _uses_vendor(settings) and voice_model(settings.realtime_model) is not None
    return error(what, remedy) if is_certain else warning(what, remedy)


def _clip(settings: Settings) -> Iterator[Finding]:
    if settings.clip is not None and not settings.clip.is_file():
        yield error(
            f"CALLBRIDGE_CLIP={settings.clip} is no file",
            "Correct the path, or remove it for the built-in clip.",
        )


def _fallback(settings: Settings) -> Finding:
    message = "may leave a message" if settings.fallback_voicemail else "hears the apology"
    if settings.fallback_dial is not None:
        return ok(
            "a caller whom the model cannot serve is put through to CALLBRIDGE_FALLBACK_DIAL; "
            f"if nobody answers, the caller {message}"
        )
    if settings.fallback_voicemail:
        return ok("a caller whom the model cannot serve may leave a message")
    return warning(
        "a caller whom the model cannot serve hears the apology and nothing else",
        "Set CALLBRIDGE_FALLBACK_DIAL to the number of a human, or remove CALLBRIDGE_FALLBACK_VOICEMAIL.",
    )


def _spending(settings: Settings) -> Iterator[Finding]:
    caps = {name: getattr(settings, name) for name in _SPEND_CAPS}
    given = [variable(name) for name, cap in caps.items() if cap is not None]
    if not given:
        return
    models = [name for name in (settings.realtime_model, settings.second_model) if name is not None]
    for model in models:
        if price_of(model) is None:
            yield warning(
                f"{' and '.join(given)} cannot hold: the price of {model} is not known",
                "Set a model with a known price, or a budget in the vendor's console.",
            )
    if all(price_of(model) is not None for model in models):
        yield ok(f"spending is counted at the prices of {PRICES_AS_OF}")
    dearest = [cap for cap in caps.values() if cap is not None]
    if dearest != sorted(dearest):
        yield warning(
            f"of {', '.join(given)} a longer time has the lower cap, so the other is never reached",
            "Let the caps grow from call to hour to day, or remove one.",
        )


def _state(settings: Settings) -> Iterator[Finding]:
    path = settings.state_path
    if path is None:
        lost = "after a restart nothing is known of live calls, of callers' earlier calls and of the spending"
        remedy = "Set CALLBRIDGE_STATE_PATH to a file on a disk that outlives the process."
        yield (
            warning(f"CALLBRIDGE_STATE_PATH is not set: {lost}", remedy)
            if settings.is_public
            else ok("what happens is kept in memory only")
        )
    elif not path.parent.is_dir() or path.is_dir():
        yield error(
            f"CALLBRIDGE_STATE_PATH={path} cannot be a file there",
            "Name a file, in a folder that exists and that the service may write to.",
        )
    else:
        yield ok(f"what happens is kept in {path}")


def _uses_vendor(settings: Settings) -> bool:
    return urlsplit(settings.realtime_url).hostname == _VENDOR_HOST


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan"))
