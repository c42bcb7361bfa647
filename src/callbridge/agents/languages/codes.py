"""The languages that a setting or an agent can name: `de`, `de-AT`, `pt-BR`."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

_FORM: Final = re.compile(r"[a-z]{2}(-[A-Z]{2})?")
_COUNTRIES: Final = {
    "at": "de",
    "cn": "zh",
    "cz": "cs",
    "dk": "da",
    "gb": "en",
    "gr": "el",
    "jp": "ja",
    "ua": "uk",
    "us": "en",
    "vn": "vi",
}
"""Countries that are written where their language is meant, and are no code of another one."""


class LanguageFault(ValueError):  # noqa: N818  # Said of a code, by its users.
    """There is no such language. The text says what to write."""


def checked_language(code: str) -> str:
    """`code`, which is an ISO-639-1 language, perhaps with a country behind it.

    Raises:
        LanguageFault: it is none.
    """
    if not _FORM.fullmatch(code):
        raise LanguageFault("must be two small letters such as en, or with a country, such as de-AT")
    language = primary(code)
    if language not in _names():
        meant = _COUNTRIES.get(language)
        remedy = f". Perhaps {meant} is meant." if meant else ", such as en, de or ja"
        raise LanguageFault(f"must be a language of ISO-639-1{remedy}")
    return code


def primary(code: str) -> str:
    """The language without its country: `de` of `de-AT`."""
    return code.partition("-")[0]


def name_of(code: str) -> str:
    """What the model is told to speak: `German`, `Portuguese (pt-BR)`."""
    name = _names().get(primary(code), code)
    return f"{name} ({code})" if "-" in code else name


@cache
def _names() -> dict[str, str]:
    return tomllib.loads(files(__package__).joinpath("names.toml").read_text("utf-8"))
