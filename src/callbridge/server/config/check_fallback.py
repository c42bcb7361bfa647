"""What `callbridge check` finds of the fallback: whom it rings, and with which voice it speaks."""

from __future__ import annotations

import datetime as dt
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
    from callbridge.switchboard.fallback_menu import Menu


def fallback(settings: Settings) -> Iterator[Finding]:
    """Whom a caller gets whom the model cannot serve."""
    human, own = settings.fallback_dial, settings.fallback_caller_id
    message = "may leave a message" if settings.fallback_voicemail else "hears the apology"
    if settings.fallback_menu:
        yield from _menu(settings.fallback_menu, own)
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
    elif not settings.fallback_menu:
        yield warning(
            "a caller whom the model cannot serve hears the apology and nothing else",
            "Set CALLBRIDGE_FALLBACK_DIAL to the number of a human, or remove CALLBRIDGE_FALLBACK_VOICEMAIL.",
        )


def _menu(menu: Menu, own: str | None) -> Iterator[Finding]:
    keys = ", ".join(f"{entry.key} for {entry.label or entry.prompt}" for entry in menu)
    yield ok(f"a caller whom the model cannot serve hears a menu first: {keys}")
    if own is None and any(entry.dial for entry in menu):
        yield ok(
            "a caller without a number, who calls by SIP or from an app, is not offered its humans: "
            "that takes CALLBRIDGE_FALLBACK_CALLER_ID"
        )
    for entry in menu:
        if entry.dial and own is not None and is_same_number(entry.dial, own):
            yield warning(
                f"key {entry.key} of CALLBRIDGE_FALLBACK_MENU dials CALLBRIDGE_FALLBACK_CALLER_ID, a number "
                "of this account: a call that is put through comes back here, so nobody is offered it",
                "Dial a telephone there that no call to callbridge is forwarded from.",
            )


def office(settings: Settings, today: dt.date) -> Iterator[Finding]:
    """When humans are rung."""
    menu = settings.fallback_menu or ()
    named = [(variable("office_hours"), settings.office_hours)]
    named += [(f"{variable('fallback_menu')}: the hours of key {entry.key}", entry.hours) for entry in menu]
    given = [(name, hours) for name, hours in named if hours is not None]
    midnight = dt.datetime.combine(today, dt.time())
    for name, hours in given:
        if not hours.are_open(midnight) and hours.next_opening(midnight) is None:
            yield warning(f"{name}, {str(hours)!r}, never open", "Correct them, or remove them.")
    humans = settings.fallback_dial or any(entry.dial for entry in menu)
    if settings.office_hours is not None and humans:
        yield ok(f"a human is rung {settings.office_hours}, by the clock of {settings.time_zone}")
    if given and "time_zone" not in settings.model_fields_set:
        yield warning(
            "there are office hours, and the clock shows UTC",
            "Set CALLBRIDGE_TIME_ZONE to where the office is: Europe/Berlin.",
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
    unsaid = set[str]()
    if not say.takes_messages(settings):
        unsaid.add("voicemail_prompt")
    if settings.office_hours is None:
        unsaid.add("closed_message")
    said = [field for field in say.SAID if field not in unsaid]
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
