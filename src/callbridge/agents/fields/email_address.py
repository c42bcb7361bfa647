"""`EmailAddress`: out of an address as it is written, said or spelled."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from email_validator import EmailNotValidError, validate_email

from callbridge.agents.fields.ready import Ready
from callbridge.agents.fields.said import quoted, text_of
from callbridge.agents.fields.spelling.letters import spelled, without_words
from callbridge.agents.fields.spelling.tongues import tongue_of, understood

if TYPE_CHECKING:
    from callbridge.agents.fields.ready import At
    from callbridge.agents.fields.spelling.tongue import Tongue

KNOWN_HOSTS: Final = frozenset(
    {"gmail", "googlemail", "outlook", "hotmail", "live", "msn", "yahoo", "icloud", "me", "aol", "proton"}
    | {"protonmail", "gmx", "web", "t-online", "freenet", "posteo", "mailbox", "orange", "wanadoo", "free"}
    | {"laposte", "sfr", "telefonica", "docomo", "ezweb", "softbank", "comcast"}
)
"""Mail hosts whose names need no spelling."""


class EmailAddressReady(Ready):
    """An e-mail address. Whether it exists is not asked of anybody."""

    description = (
        "An e-mail address in small letters, for example 'sam@example.com'. Write '.', '_', '-' and '@' for "
        "their spoken words, and spelled letters as one word. Ask for it letter by letter if it may be "
        "misheard."
    )

    def read(self, said: object, at: At) -> str:
        """The address, in small letters."""
        text = text_of(said, "the e-mail address").lower()
        text = re.sub(r"^<?(?:mailto:)?|[>.,;]+$", "", text)
        address = text if re.fullmatch(r"[^\s,]+@[^\s,]+", text) else _from_words(text, at)
        if address.count("@") != 1:
            raise ValueError(
                f"{quoted(address)} must have one @; ask the caller for what stands before and behind it"
            )
        return _checked(address)

    def read_back(self, value: Any, at: At) -> str:
        """The part before the @ letter by letter; the host, too, unless everybody knows it."""
        local, _, host = str(value).partition("@")
        signs = {sign: words[0] for sign, words in tongue_of(at.language).signs.items()}
        behind = f" {signs['.']} ".join(_said(host))
        return f"{spelled(local, at.language) or local}, {signs['@']} {behind}"


def _said(host: str) -> list[str]:
    """The parts of a host: with their letters, except the ending, `com` or `co`, `uk`, and known names."""
    *names, ending = host.split(".")
    return [
        name if name in KNOWN_HOSTS or (place and len(name) <= 3) else f"{name}, {', '.join(name.upper())},"
        for place, name in enumerate(names)
    ] + [ending]


def _from_words(text: str, at: At) -> str:
    text = re.sub(r"[()\[\]{}]", " ", text)
    letters = without_words(text, at.language).lower()
    return _joined(_with_signs(letters, understood(at.language)))


def _with_signs(text: str, tongues: tuple[Tongue, ...]) -> str:
    for tongue in tongues:
        for pattern, sign in _sign_words(tongue):
            if sign != "@" or "@" not in text:
                text = pattern.sub(sign, text)
    return text


@cache
def _sign_words(tongue: Tongue) -> tuple[tuple[re.Pattern[str], str], ...]:
    """The longest first: `guion bajo` before `guion`. Kana need no blanks around them."""
    words = sorted(
        ((word.lower(), sign) for sign, words in tongue.signs.items() for word in words),
        key=lambda pair: -len(pair[0]),
    )
    return tuple((re.compile(_bounded(re.escape(word))), sign) for word, sign in words)


def _bounded(word: str) -> str:
    return rf"(?<=[\s,]){word}(?=[\s,]|$)" if word[0] < "\u3000" else word


def _joined(text: str) -> str:
    """Without the blanks around signs and between single letters.

    Raises:
        ValueError: words stand beside each other, and something may stand between them.
    """
    text = re.sub(r"[\s,]*([@._+-])[\s,]*", r"\1", text.strip(" ,"))
    return re.sub(r"[^@._+-]+", _one_word, text)


def _one_word(match: re.Match[str]) -> str:
    pieces = re.split(r"[\s,]+", match[0])
    if sum(len(piece) > 1 for piece in pieces) > 1:
        raise ValueError(
            f"{quoted(match[0])} has a blank in it, an address has none; ask the caller what stands there, a "
            "dot or nothing, and write the address alone"
        )
    return "".join(pieces)


def _checked(address: str) -> str:
    try:
        checked = validate_email(address, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as error:
        raise ValueError(f"{quoted(address)} is no e-mail address: {error} Ask the caller again") from error
    return checked.normalized.lower()


EmailAddress: TypeAlias = Annotated[str, EmailAddressReady()]
"""An e-mail address in small letters. It is spelled back."""
