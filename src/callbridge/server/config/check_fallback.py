"""What `callbridge check` finds of the fallback: whom it rings, and with which voice it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.agents.languages.codes import name_of, primary
from callbridge.agents.languages.texts import SHIPPED, language_texts
from callbridge.server.config import say
from callbridge.server.config.findings import Finding, ok, warning
from callbridge.server.config.setting_names import variable
from callbridge.switchboard.putting_through import is_same_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings


def fallback(settings: Settings) -> Iterator[Finding]:
    """Whom a caller gets whom the model cannot serve."""
    human, own = settings.fallback_dial, settings.fallback_caller_id
    message = "may leave a message" if settings.fallback_voicemail else "hears the apology"
    if human is not None and own is not None and is_same_number(human, own):
        yield warning(
            f"CALLBRIDGE_FALLBACK_DIAL={human} is CALLBRIDGE_FALLBACK_CALLER_ID, a number of this account: "
            "a call that is put through comes back here, and nobody is rung twice",
            "Set CALLBRIDGE_FALLBACK_DIAL to a telephone that no call to callbridge is forwarded from.",
        )
    elif human is not None:
        yield ok(
            "a caller whom the model cannot serve is put through to CALLBRIDGE_FALLBACK_DIAL; "
            f"if nobody answers, or it forwards back here, the caller {message}"
        )
    elif settings.fallback_voicemail:
        yield ok("a caller whom the model cannot serve may leave a message")
    else:
        yield warning(
            "a caller whom the model cannot serve hears the apology and nothing else",
            "Set CALLBRIDGE_FALLBACK_DIAL to the number of a human, or remove CALLBRIDGE_FALLBACK_VOICEMAIL.",
        )


def spoken(settings: Settings) -> Iterator[Finding]:
    """Whether Twilio's voice can read the texts, and callers understand them."""
    voice, language = say.reader(settings)
    callers = settings.language and say.primary(settings.language)
    if voice and say.languages_of(voice) is None:
        yield warning(
            f"CALLBRIDGE_SAY_VOICE={voice} is not known to this version of callbridge",
            "Fine if it is newer; otherwise correct it: one that Twilio does not have says nothing (13511).",
        )
    elif language and not voice and not say.is_spoken(language, "man"):
        yield warning(
            f"CALLBRIDGE_SAY_LANGUAGE={language} has no voice, and Twilio's default cannot speak it (13512)",
            "Set CALLBRIDGE_SAY_VOICE to one that does.",
        )
    elif not say.is_spoken(language, voice):
        yield warning(
            f"{voice} does not speak {language}: nothing is said at all (13512)",
            "Set CALLBRIDGE_SAY_VOICE and CALLBRIDGE_SAY_LANGUAGE to a pair of Twilio's list, or remove one.",
        )
    elif callers and callers not in say.read_languages(settings):
        yield warning(
            f"callers speak {settings.language}, but Twilio's voice reads {voice or 'English'}",
            "Set CALLBRIDGE_SAY_VOICE and CALLBRIDGE_SAY_LANGUAGE to a pair of Twilio's list.",
        )
    if settings.language:
        yield _line(settings.language, voice)
    yield from _defaults(settings, callers or "")


def _line(language: str, voice: str) -> Finding:
    """What the one setting has brought."""
    texts, named = language_texts(language), name_of(language)
    reads = f"for texts of yours Twilio's voice is {voice or 'its own'}"
    if texts.written_in != primary(language):
        return ok(f"callers speak {named}, and so does the agent; the clip is two tones; {reads}")
    return ok(f"callers speak {named}, and so do the agent, the clip and all texts that are not set; {reads}")


def _defaults(settings: Settings, callers: str) -> Iterator[Finding]:
    """English texts for people who speak something else."""
    said = [field for field in say.SAID if settings.fallback_voicemail or field != "voicemail_prompt"]
    english = [variable(field) for field in said if say.is_english(settings, field)]
    foreign = {callers or "en", *say.read_languages(settings)} - {"en"}
    if english and foreign and (callers or "") != "en":
        yield warning(
            f"{', '.join(english)}: not set, so callers hear English",
            _remedy(callers, foreign),
        )


def _remedy(callers: str, foreign: set[str]) -> str:
    shipped = sorted(foreign.intersection(SHIPPED))
    if shipped and not callers:
        return f"Set CALLBRIDGE_LANGUAGE={shipped[0]}, which brings all of them."
    return f"Set them in the callers' language ({', '.join(sorted(foreign))})."
