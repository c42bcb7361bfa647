"""Judges what was set, whatever its value: names in doubt, rights of the file, lines without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.server.config import say
from callbridge.server.config.findings import Finding, as_warnings, warning
from callbridge.server.config.records import records_url
from callbridge.server.config.setting_names import variable
from callbridge.server.config.variables import ENV_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings
    from callbridge.server.config.variables import Variables

_WORKERS: Final = "WEB_CONCURRENCY"
"""How many processes uvicorn, gunicorn and some hosts start of an app."""


def given(variables: Variables) -> Iterator[Finding]:
    """What is to be said of the variables before their values are looked at."""
    yield from as_warnings(variables.doubts)
    if variables.is_file_open_to_others:
        yield warning(f"{ENV_FILE} can be read by every user of this machine", f"Run: chmod 600 {ENV_FILE}")
    workers = variables.values.get(_WORKERS, "1")
    if workers.strip().isdecimal() and int(workers) > 1:
        yield warning(
            f"{_WORKERS} is {workers}, which starts no process of this service",
            f"Set {variable('workers')}={workers} for that, and remove it.",
        )


def without_effect(settings: Settings) -> Iterator[Finding]:
    """Settings that were given, and that another one makes idle."""
    idle: dict[str, str] = {}
    if settings.vad_kind == "server_vad":
        idle["vad_eagerness"] = "CALLBRIDGE_VAD_KIND=semantic_vad"
    else:
        numbers = ("vad_threshold", "vad_prefix_padding_ms", "vad_silence_duration_ms")
        idle |= dict.fromkeys(numbers, "CALLBRIDGE_VAD_KIND=server_vad")
    if settings.fallback_dial is None and not any(entry.dial for entry in settings.fallback_menu or ()):
        idle["fallback_dial_seconds"] = "CALLBRIDGE_FALLBACK_DIAL"
    if settings.office_hours is None:
        idle["closed_message"] = "CALLBRIDGE_OFFICE_HOURS"
    if not say.takes_messages(settings):
        idle["voicemail_prompt"] = "CALLBRIDGE_FALLBACK_VOICEMAIL=true"
    if settings.truncation in {"auto", "disabled"}:
        idle["truncation_post_instructions_tokens"] = "CALLBRIDGE_TRUNCATION as a ratio, such as 0.8"
    if records_url(settings) is None:
        records = ("replay_share", "records_kept_days", "words_kept_days", "records_key")
        idle |= dict.fromkeys(records, f"CALLBRIDGE_STATE_PATH or {variable('database_url')}")
    elif not settings.keep_words:
        idle |= dict.fromkeys(("words_kept_days", "replay_share"), f"{variable('keep_words')}=true")
    elif (settings.words_kept_days or 0) >= settings.records_kept_days:
        idle["words_kept_days"] = f"fewer days than {variable('records_kept_days')}"
    if not settings.replay_share:
        idle.pop("replay_share", None)
    for name, partner in (idle | _of_nats(settings)).items():
        if name in settings.model_fields_set:
            yield warning(f"{variable(name)} has no effect", f"It needs {partner}; set that, or remove it.")


def _of_nats(settings: Settings) -> dict[str, str]:
    names = ("nats_subject", "nats_stream", "nats_events") if settings.nats_url is None else ()
    return dict.fromkeys(names, variable("nats_url"))
