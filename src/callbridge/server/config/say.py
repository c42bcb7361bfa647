"""What Twilio's voice says on a line, with which voice, and what is known of its voices.

A text is read in its own language or it is not understood. What somebody has written is taken to be in the
callers' language; what is shipped is in it, or in English, and then an English voice reads it. A voice that
does not speak the language that is asked of it says nothing at all, and Twilio's own default speaks few of
them; so a language is asked for together with a voice, wherever one is known.

Source: twilio.com/docs/voice/twiml/say/text-speech, and Amazon's list of voices, as of November 2026.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from callbridge.agents.languages.texts import language_texts
from callbridge.telephony.twiml import Words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.server.config.settings import Settings
    from callbridge.switchboard.fallback_menu import MenuEntry

Said: TypeAlias = Literal[
    "voicemail_prompt", "apology", "goodbye", "caller_limit_message", "one_moment", "closed_message"
]
"""The settings that Twilio's voice reads."""

SAID: Final[tuple[Said, ...]] = get_args(Said)

_POLLY: Final = {
    "ar-AE": "Hala-Neural Zayd-Neural",
    "arb": "Zeina",
    "ca-ES": "Arlet-Neural",
    "cmn-CN": "Zhiyu",
    "cs-CZ": "Jitka-Neural",
    "cy-GB": "Gwyneth",
    "da-DK": "Naja Mads Sofie",
    "de-AT": "Hannah-Neural",
    "de-CH": "Sabrina-Neural",
    "de-DE": "Vicki Daniel Hans Marlene",
    "en-AU": "Nicole Olivia Russell",
    "en-GB": "Amy Arthur Brian Emma",
    "en-GB-WLS": "Geraint",
    "en-IE": "Niamh-Neural",
    "en-IN": "Raveena Aditi Kajal",
    "en-NZ": "Aria-Neural",
    "en-SG": "Jasmine-Neural",
    "en-US": "Joanna Danielle Gregory Ivy Joey Justin Kendra Kevin Kimberly Matthew Ruth Salli Stephen",
    "en-ZA": "Ayanda-Neural",
    "es-ES": "Lucia Alba Conchita Enrique Raul Sergio",
    "es-MX": "Mia Andres",
    "es-US": "Penelope Lupe Miguel Pedro",
    "fi-FI": "Suvi-Neural",
    "fr-BE": "Isabelle-Neural",
    "fr-CA": "Chantal Gabrielle Liam",
    "fr-FR": "Lea Celine Mathieu Remi",
    "hi-IN": "Aditi Kajal",
    "is-IS": "Dora Karl",
    "it-IT": "Carla Adriano Bianca Giorgio",
    "ja-JP": "Mizuki Kazuha Takumi Tomoko",
    "ko-KR": "Seoyeon Jihye",
    "nb-NO": "Liv Ida",
    "nl-BE": "Lisa-Neural",
    "nl-NL": "Lotte Laura Ruben",
    "pl-PL": "Ewa Jacek Jan Maja Ola",
    "pt-BR": "Camila Ricardo Thiago Vitoria",
    "pt-PT": "Ines Cristiano",
    "ro-RO": "Carmen",
    "ru-RU": "Tatyana Maxim",
    "sv-SE": "Astrid Elin",
    "tr-TR": "Filiz Burcu",
    "yue-CN": "Hiujin-Neural",
}
"""Amazon's voices by the language that they speak, as Twilio spells it. The first one reads unless another is
named; `-Neural` where there is no other kind of it."""

LANGUAGES: Final = {
    "ar": "arb",
    "ca": "ca-ES",
    "cs": "cs-CZ",
    "cy": "cy-GB",
    "da": "da-DK",
    "de": "de-DE",
    "es": "es-ES",
    "fi": "fi-FI",
    "fr": "fr-FR",
    "hi": "hi-IN",
    "is": "is-IS",
    "it": "it-IT",
    "ja": "ja-JP",
    "ko": "ko-KR",
    "nb": "nb-NO",
    "nl": "nl-NL",
    "no": "nb-NO",
    "pl": "pl-PL",
    "pt": "pt-BR",
    "ro": "ro-RO",
    "ru": "ru-RU",
    "sv": "sv-SE",
    "tr": "tr-TR",
    "zh": "cmn-CN",
}
"""Twilio's spelling of the callers' language. English is missing: Twilio's default reads it."""

_BASIC: Final = frozenset({"man", "woman"})
_BASIC_LANGUAGES: Final = frozenset(
    ["en", "en-gb", "en-us", "es", "es-es", "fr", "fr-fr", "de", "de-de", "it"]
)

_POLLY_NAME = re.compile(r"Polly\.([A-Za-z]+)(-Neural|-Generative)?")
_GOOGLE_NAME = re.compile(r"Google\.([a-z]{2,3}-[A-Z]{2})-[A-Za-z0-9-]+")


def words(settings: Settings, field: Said, callers: str | None = None) -> Words:
    """What Twilio's voice says: the text that somebody has set, else the usual one; and who reads it.

    Args:
        settings: may have a text and a voice of their own.
        field: which text.
        callers: the language of the agent that has the call; nothing for that of the settings.
    """
    callers = callers or settings.language or ""
    voice, language = reader(settings, callers)
    text: str | None = getattr(settings, field)
    if text is not None and are_for(settings, callers):
        return Words(text, voice, language)
    return _usual(settings, callers, getattr(language_texts(callers), field))


def _usual(settings: Settings, callers: str, text: str) -> Words:
    """A text that is shipped for these callers: read by the voice of the settings, if that speaks it."""
    voice, language = reader(settings, callers)
    written_in = language_texts(callers).written_in
    if written_in not in _read_by(voice, language) or not is_spoken(language, voice or "man"):
        language = _twilios(callers) if primary(callers) == written_in else ""
        voice = usual_voice(language)
    return Words(text, voice, language)


def said_to_a_person(settings: Settings, language: str | None, text: str) -> Words:
    """What somebody hears who is rung for a caller, in this language; nothing stands for English."""
    return _usual(settings, language or "", text)


def own(settings: Settings, text: str) -> Words:
    """A text that somebody has written into the menu."""
    return Words(text, *reader(settings))


def menu(settings: Settings, entries: Iterable[MenuEntry]) -> Words:
    """What callers hear of a menu: all of it in one language, that of the words that somebody has set."""
    callers, entries = settings.language or "", list(entries)
    texts = language_texts(callers)
    lines = [entry.prompt or texts.menu_entry.format(label=entry.label, key=entry.key) for entry in entries]
    if is_shipped := not callers or texts.written_in == primary(callers):
        lines.insert(0, texts.menu_intro)
    text = " ".join(lines)
    return _usual(settings, callers, text) if is_shipped else own(settings, text)


def takes_messages(settings: Settings) -> bool:
    """Whether any caller may leave a message."""
    return settings.fallback_voicemail or any(entry.voicemail for entry in settings.fallback_menu or ())


def menu_goodbye(settings: Settings) -> Words:
    """What callers hear at the end of it."""
    callers = settings.language or ""
    return _usual(settings, callers, language_texts(callers).menu_goodbye)


def are_for(settings: Settings, callers: str | None) -> bool:
    """Whether the words that somebody has set are in the language of these callers, if it is said."""
    theirs = settings.language
    return not theirs or not callers or primary(theirs) == primary(callers)


def is_english(settings: Settings, field: Said) -> bool:
    """Whether callers hear a text that is shipped, in English: nobody has set one."""
    return getattr(settings, field) is None and language_texts(settings.language).written_in == "en"


def reader(settings: Settings, callers: str | None = None) -> tuple[str, str]:
    """Voice and language of what somebody has written; nothing is Twilio's own default, an English one."""
    language = settings.say_language or ""
    if settings.say_voice:
        return settings.say_voice, language
    language = language or _twilios(callers or settings.language or "")
    return usual_voice(language), language


def _twilios(language: str) -> str:
    """Twilio's spelling of the callers' language, in their country's way where a voice has that."""
    if "-" in language and (usual_voice(language) or language.lower() in _BASIC_LANGUAGES):
        return language
    return LANGUAGES.get(primary(language), "")


def usual_voice(language: str) -> str:
    """A voice that speaks this very language; nothing where none is needed, or known."""
    wanted = language.lower()
    if primary(wanted) == "en" and wanted in _BASIC_LANGUAGES:
        return ""
    names = {code.lower(): names for code, names in _POLLY.items()}.get(wanted)
    return f"Polly.{names.split()[0]}" if names else ""


def languages_of(voice: str) -> frozenset[str] | None:
    """What a voice speaks, in small letters; None of one that is not known here."""
    if voice in _BASIC:
        return _BASIC_LANGUAGES
    if google := _GOOGLE_NAME.fullmatch(voice):
        return frozenset({google[1].lower()})
    if polly := _POLLY_NAME.fullmatch(voice):
        known = (code for code, names in _POLLY.items() if polly[1] in names.replace("-Neural", "").split())
        return frozenset(code.lower() for code in known) or None
    return None


def is_spoken(language: str, voice: str) -> bool:
    """Whether a voice speaks this language; of a voice that is not known it is believed."""
    spoken = languages_of(voice)
    return not language or spoken is None or language.lower() in spoken


def primary(language: str) -> str:
    """The language without its country: `de` of `de-DE`. Twilio's own spellings are told as callers'."""
    spelled = {"arb": "ar", "cmn": "zh", "yue": "zh", "nb": "no"}
    first = language.lower().partition("-")[0]
    return spelled.get(first, first)


def read_languages(settings: Settings) -> frozenset[str]:
    """The languages in which somebody's own text may be read, without countries."""
    return _read_by(*reader(settings))


def _read_by(voice: str, language: str) -> frozenset[str]:
    if language:
        return frozenset({primary(language)})
    if not voice or voice in _BASIC:
        return frozenset({"en"})  # What they speak unless told otherwise.
    return frozenset(primary(spoken) for spoken in languages_of(voice) or ())
