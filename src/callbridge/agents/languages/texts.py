"""All that a line says in one language.

Whatever the user sets by hand stays theirs: these are the texts that hold until then. A language that is not
shipped has the English ones, for Twilio's voice; the model is told to speak it, and finds its own greeting.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Final

from callbridge.agents.languages.codes import name_of, primary

SHIPPED: Final = ("de", "en", "es", "fr", "ja")
"""The languages that have texts and a clip."""

_SPEAK: Final = (
    "Speak {name} with the caller. {manner}Change to another language only when the caller asks for it, or "
    "cannot go on in {name}. What tools, notes and directions bring in another language, say in {name}."
)


@dataclass(frozen=True, slots=True)
class LanguageTexts:
    """The texts of a line, as they are unless somebody has set their own."""

    written_in: str
    """The language of these texts, `de` for example: English where that of the callers is not shipped."""

    speak: str
    """Which language the agent speaks, and how politely: it follows the agent's instructions, whoever wrote
    them. Empty where the language is detected."""

    agent_instructions: str
    greeting: str
    """The agent's first words; empty where the model finds some."""

    voicemail_prompt: str
    apology: str
    goodbye: str
    caller_limit_message: str
    one_moment: str
    take_the_call: str
    """What a person who was rung is told behind the briefing."""
    caller_has_gone: str
    """What they are told when nobody waits for them any more."""
    connecting: str
    """What they are told once they have taken the call."""
    a_caller_waits: str
    """The briefing where nothing is known of the call."""
    closed_message: str
    menu_intro: str
    menu_entry: str
    """Of the fallback's menu: with `{label}` and `{key}`."""
    menu_goodbye: str
    recording_announced: str
    """What a caller is told who is recorded."""
    recording_asked: str
    """What they are asked, where they have to agree."""


@cache
def language_texts(language: str | None) -> LanguageTexts:
    """The texts of a line whose callers speak `language`.

    Args:
        language: `de`, or with a country: `de-AT`. Nothing where it is detected: English, and the model
            follows the caller.
    """
    spoken = primary(language or "en")
    written_in = spoken if spoken in SHIPPED else "en"
    texts = _texts(written_in)
    manner = texts.pop("manner")
    found = LanguageTexts(written_in=written_in, speak="", **texts)
    if not language:
        return found
    if written_in != spoken:
        manner, found = "", replace(found, greeting="")
    said = _SPEAK.format(name=name_of(language), manner=f"{manner} " if manner else "")
    return replace(found, speak=said)


@cache
def clip_of(language: str | None) -> bytes:
    """What says "one moment, please" in this language, as 8 kHz µ-law; two soft tones where it is not
    shipped.
    """
    spoken = primary(language or "en")
    name = spoken if spoken in SHIPPED else "tones"
    return files(__package__).joinpath(f"{name}.ulaw").read_bytes()


def _texts(language: str) -> dict[str, str]:
    return tomllib.loads(files(__package__).joinpath(f"{language}.toml").read_text("utf-8"))
