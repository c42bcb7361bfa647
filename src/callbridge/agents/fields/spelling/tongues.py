"""The languages that are shipped, by their names in ISO 639."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.agents.fields.spelling.de import GERMAN
from callbridge.agents.fields.spelling.en import ENGLISH
from callbridge.agents.fields.spelling.es import SPANISH
from callbridge.agents.fields.spelling.fr import FRENCH
from callbridge.agents.fields.spelling.ja import JAPANESE
from callbridge.agents.languages.codes import primary

if TYPE_CHECKING:
    from callbridge.agents.fields.spelling.tongue import Tongue

TONGUES: Final[dict[str, Tongue]] = {
    "en": ENGLISH,
    "de": GERMAN,
    "es": SPANISH,
    "fr": FRENCH,
    "ja": JAPANESE,
}


def tongue_of(language: str) -> Tongue:
    """The language of `de` or `de-AT`. English for all that are not shipped, and for none."""
    return TONGUES.get(primary(language), ENGLISH)


def understood(language: str) -> tuple[Tongue, ...]:
    """The languages in which what is said is understood: that one, and English, which models fall into."""
    own = tongue_of(language)
    return (own,) if own is ENGLISH else (own, ENGLISH)
