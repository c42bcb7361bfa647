"""The voices of `<Say>`, and what each of them speaks.

As listed at twilio.com/docs/voice/twiml/say/text-speech and, for Amazon's, docs.aws.amazon.com/polly, in
November 2026. A pair of voice and language that is not in the lists fails, and then nothing is said.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

DEFAULT: Final = "man"
"""Who speaks where the account has not chosen another voice."""

CHARACTERS_MAX: Final = {"Polly.": 3000, "Google.": 5000}
BASIC_MAX: Final = 4096
"""The other voices'."""
ESCAPED_MAX: Final = 4500
"""Of a text that is percent-encoded, in which an umlaut counts six times."""

_BASIC: Final = frozenset({"man", "woman"})
_BASIC_LANGUAGES: Final = frozenset(
    ["en", "en-gb", "en-us", "es", "es-es", "fr", "fr-fr", "de", "de-de", "it"]
)

_ALICE: Final = """
    ca-es da-dk de-de en-au en-ca en-gb en-in en-us es-es es-mx fi-fi fr-ca fr-fr it-it ja-jp ko-kr nb-no
    nl-nl pl-pl pt-br pt-pt ru-ru sv-se zh-cn zh-hk zh-tw
"""
"""What the voice `alice` speaks, which is kept for old applications."""

_POLLY: Final = """
    Aditi:en-IN,hi-IN Adriano:it-IT Alba:es-ES Amy:en-GB Andres:es-MX Aria:en-NZ Arlet:ca-ES Arthur:en-GB
    Astrid:sv-SE Ayanda:en-ZA Bianca:it-IT Brian:en-GB Burcu:tr-TR Camila:pt-BR Carla:it-IT Carmen:ro-RO
    Celine:fr-FR Chantal:fr-CA Conchita:es-ES Cristiano:pt-PT Daniel:de-DE Danielle:en-US Dora:is-IS
    Elin:sv-SE Emma:en-GB Enrique:es-ES Ewa:pl-PL Filiz:tr-TR Gabrielle:fr-CA Geraint:en-GB-WLS
    Giorgio:it-IT Gregory:en-US Gwyneth:cy-GB Hala:ar-AE Hannah:de-AT Hans:de-DE Hiujin:yue-CN Ida:nb-NO
    Ines:pt-PT Isabelle:fr-BE Ivy:en-US Jacek:pl-PL Jan:pl-PL Jasmine:en-SG Jihye:ko-KR Jitka:cs-CZ
    Joanna:en-US Joey:en-US Justin:en-US Kajal:en-IN,hi-IN Karl:is-IS Kazuha:ja-JP Kendra:en-US
    Kevin:en-US Kimberly:en-US Laura:nl-NL Lea:fr-FR Liam:fr-CA Lisa:nl-BE Liv:nb-NO Lotte:nl-NL
    Lucia:es-ES Lupe:es-US Mads:da-DK Maja:pl-PL Marlene:de-DE Mathieu:fr-FR Matthew:en-US Maxim:ru-RU
    Mia:es-MX Miguel:es-US Mizuki:ja-JP Naja:da-DK Niamh:en-IE Nicole:en-AU Ola:pl-PL Olivia:en-AU
    Pedro:es-US Penelope:es-US Raul:es-ES Raveena:en-IN Remi:fr-FR Ricardo:pt-BR Ruben:nl-NL Russell:en-AU
    Ruth:en-US Sabrina:de-CH Salli:en-US Seoyeon:ko-KR Sergio:es-ES Sofie:da-DK Stephen:en-US Suvi:fi-FI
    Takumi:ja-JP Tatyana:ru-RU Thiago:pt-BR Tomoko:ja-JP Vicki:de-DE Vitoria:pt-BR Zayd:ar-AE Zeina:arb
    Zhiyu:cmn-CN
"""

_POLLY_LANGUAGES: Final = {
    name: frozenset(codes.lower().split(","))
    for name, _, codes in (voice.partition(":") for voice in _POLLY.split())
}

_POLLY_NAME = re.compile(r"Polly\.([A-Za-z]+)(-Neural|-Generative)?")
_GOOGLE_NAME = re.compile(r"Google\.([a-z]{2,3}-[A-Z]{2})-(Standard|Wavenet|Neural2|Chirp3-HD)-[A-Za-z]+")


def voice_fault(voice: str | None, language: str | None) -> tuple[int, str] | None:
    """The code that a `<Say>` of this voice and language earns instead of being heard."""
    spoken = _languages_of(DEFAULT if voice is None else voice)
    if spoken is None:
        return 13511, f"voice {voice!r}"
    if language is not None and language.lower() not in spoken:
        return 13512, f"language {language!r} with the voice {voice or DEFAULT!r}"
    return None


def text_fault(text: str, voice: str | None) -> tuple[int, str] | None:
    """The code that a text earns that is longer than its voice can speak."""
    most = next((most for kind, most in CHARACTERS_MAX.items() if (voice or "").startswith(kind)), BASIC_MAX)
    if len(text) > most:
        return 13521, f"{len(text)} characters, of which {voice or DEFAULT!r} speaks {most}"
    escaped = len(quote(text))
    return (13521, f"{escaped} characters when they are escaped") if escaped > ESCAPED_MAX else None


def _languages_of(voice: str) -> frozenset[str] | None:
    if voice in _BASIC:
        return _BASIC_LANGUAGES
    if voice == "alice":
        return frozenset(_ALICE.split())
    if google := _GOOGLE_NAME.fullmatch(voice):
        return frozenset({google[1].lower()})
    polly = _POLLY_NAME.fullmatch(voice)
    return _POLLY_LANGUAGES.get(polly[1]) if polly else None
