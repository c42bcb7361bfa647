"""`PersonName`: as it is written, out of what was said or spelled."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from callbridge.agents.fields.ready import Ready
from callbridge.agents.fields.said import quoted, text_of
from callbridge.agents.fields.spelling.letters import plain, spelled, without_words

if TYPE_CHECKING:
    from callbridge.agents.fields.ready import At

NAME_MAX: Final = 100

_NO_NAMES: Final = frozenset(
    {"unknown", "anonymous", "caller", "the caller", "customer", "user", "none", "null", "n a", "na"}
    | {"not given", "not provided", "name", "unbekannt", "anrufer", "inconnu", "desconocido", "不明"}
)
"""What a model writes when nobody has told it a name."""

_SIGNS: Final = frozenset(" '-.,’‐・·ʼ＝=")  # noqa: RUF001 - names are written with them
_SPELLED_RUN: Final = re.compile(r"(?<![^\W_])[^\W\d_](?:(?:, ?|-| )(?:[^\W\d_]|'))+(?![^\W_]|['’.])")  # noqa: RUF001 - so here
"""At least two single letters; not initials, which have dots."""
_ALIKE: Final = 0.6
"""A name and the spelling behind it are one where they agree so far, 1 for wholly."""


class PersonNameReady(Ready):
    """A person's name."""

    description = (
        "The name as it is written, for example 'Anna Miller'. A caller who spells it means the letters: "
        "write 'John' for 'J as in John, O, H, N'. Ask for it, and for its spelling if it may be misheard."
    )

    def read(self, said: object, at: At) -> str:
        """The name, spelled parts put together."""
        name, before = text_of(said, "the name"), ""
        # Once is enough for what people say. Every round makes it shorter.
        while name != before:
            name, before = _put_together(without_words(name, at.language)), name
        _refuse_no_name(name)
        return name

    def read_back(self, value: Any, at: At) -> str:
        """The name, and its letters where they have words in the language."""
        words = re.findall(r"[^\W\d_]+", value)
        letters = [spelled(word, at.language) for word in words]
        return f"{value}: {'; '.join(letters)}" if all(letters) else str(value)


def _put_together(text: str) -> str:
    text = text.strip(" ,")
    is_wholly_spelled = _SPELLED_RUN.fullmatch(text) is not None
    runs = [
        match
        for match in _SPELLED_RUN.finditer(text)
        if is_wholly_spelled or _is_spelling(match[0], text[: match.start()])
    ]
    for match in reversed(runs):
        before = _without_same_word(text[: match.start()], _word(match[0]))
        text = f"{before}{_word(match[0])}{text[match.end() :]}"
    return text


def _word(run: str) -> str:
    return "'".join(part.capitalize() for part in re.sub(r"[, -]", "", run).split("'"))


def _is_spelling(run: str, before: str) -> bool:
    """Up to three letters may be initials: then commas must tell, hyphens, or the word before."""
    letters = len(_word(run))
    is_told = "," in run or ("-" in run and letters > 2)
    return is_told or letters > 3 or _same_word(before, _word(run)) is not None


def _without_same_word(before: str, word: str) -> str:
    """`Samanta, ` before `Samantha` goes: what was spelled is the word that was said."""
    same = _same_word(before, word)
    return before[: same.start()] if same else re.sub(r"[,:] $", " ", before)


def _same_word(before: str, word: str) -> re.Match[str] | None:
    said = re.search(r"([^\W\d_]+(?:['’][^\W\d_]+)*)[,:]? $", before)  # noqa: RUF001 - so here
    if said and difflib.SequenceMatcher(None, plain(said[1]), plain(word)).ratio() >= _ALIKE:
        return said
    return None


def _refuse_no_name(name: str) -> None:
    if len(name) > NAME_MAX:
        raise ValueError(f"the name has {len(name)} characters; write the name alone")
    if " ".join(re.findall(r"\w+", name.casefold())) in _NO_NAMES:
        raise ValueError(f"{quoted(name)} is no name; ask the caller for theirs")
    if odd := {sign for sign in name if not (_is_letter(sign) or sign in _SIGNS)}:
        raise ValueError(
            f"a name has no {' or '.join(sorted(odd)[:3])} in it; write the name alone, ask for its spelling"
        )
    if not any(sign.isalpha() for sign in name):
        raise ValueError("a name has letters; ask the caller for theirs, and for its spelling")


def _is_letter(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LM"


PersonName: TypeAlias = Annotated[str, PersonNameReady()]
"""A person's name as it is written. It is read back letter by letter."""
