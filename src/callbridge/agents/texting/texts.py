"""`Texts`: which text messages an agent may send, and to whom."""

from __future__ import annotations

import json
import re
import string
import unicodedata
from typing import TYPE_CHECKING, Any, Final

from callbridge.agents.fault import AgentFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callbridge.agents.capture import Form

WORDS_MAX: Final = 300
"""Characters of a text in somebody's own words, unless the agent says otherwise: two messages of SMS."""

TEXT_MAX: Final = 1_000
"""Characters of a text at the most, with all that is filled in. It is charged for by the 153."""

VALUE_MAX: Final = 100
"""Characters of what is filled in for one name: a caller has said it."""

TEMPLATES_MAX: Final = 20

SEND_TEXT: Final = "send_text"
"""The model's tool."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)

_FIELD: Final = re.compile(r"(?:[a-z][a-z0-9_]{0,39}\.)?[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
"""A field of a form, with the form's name before it where two have such a field."""

E164: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


_UNSHOWN: Final = frozenset({"Cc", "Cs", "Co", "Cn"})


class MissingValues(Exception):  # noqa: N818  # What is missing is no error of the program.
    """A template asks for what was not captured. `names` says for what."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


class Texts:
    """Lets an agent send text messages: `Agent(texts=Texts(…))`.

    The model gets the tool `send_text`. It chooses a template, or writes some words, and never a number: a
    text goes to the present caller, if they call from a telephone and show their number, or to a number that
    they have given and confirmed. At most two are sent in a call.

    Args:
        templates: texts by name. `{day}` stands for what was captured and confirmed for a field named so,
            `{booking.day}` for that of the form `booking`.
        words_max: characters of a text in the model's own words; 0: the model may only send templates.
        to_captured: the field of a form with a `PhoneNumber` to which a text may go as well, once the caller
            has confirmed it: `mobile`, or `booking.mobile`. A caller may give anybody's number, so let the
            words be yours then (`words_max=0`).
        confirm: the caller is asked about exactly this text, and has answered, before it is sent.

    Raises:
        AgentFault: something of this cannot be so.

    Example:
        ```python
        agent = Agent(texts=Texts(templates={"address": "Harbour Bakery, 1 Quay Street. See you soon!"}))
        ```
    """

    def __init__(
        self,
        *,
        templates: Mapping[str, str] | None = None,
        words_max: int = WORDS_MAX,
        to_captured: str = "",
        confirm: bool = False,
    ) -> None:
        # Which numbers are premium-rate ones: 50 ms, which no call is to wait for.
        import phonenumbers  # noqa: F401, PLC0415 - few agents need the numbers of all countries

        self.templates = {name: _checked(name, text) for name, text in (templates or {}).items()}
        self.words_max, self.to_captured, self.confirm = words_max, to_captured, confirm
        if not 0 <= words_max <= TEXT_MAX:
            raise AgentFault(f"texts, words_max={words_max}: write 0 to {TEXT_MAX}")
        if not self.templates and not words_max:
            raise AgentFault("texts: there is nothing to send; name a template, or set words_max")
        if len(self.templates) > TEMPLATES_MAX:
            raise AgentFault(f"texts: there are more than {TEMPLATES_MAX} templates")
        if to_captured and not _FIELD.fullmatch(to_captured):
            raise AgentFault(f"texts, to_captured={to_captured!r}: name a field of a form, such as mobile")

    def check(self, form: Form[Any]) -> None:
        """Looks at a form of the agent: what a text may go to must be a telephone number in it.

        Raises:
            AgentFault: it is none, so nobody would confirm it digit by digit.
        """
        name, _, field = self.to_captured.rpartition(".")
        ready = form.ready(field) if field and name in {"", form.name} else None
        if ready is None:
            return
        # It brings the numbers of all countries along, and few agents need them.
        from callbridge.agents.fields.phone_number import PhoneNumberReady  # noqa: PLC0415 - see above

        if not isinstance(ready, PhoneNumberReady):
            raise AgentFault(f"texts, to_captured={self.to_captured!r}: that field must be a PhoneNumber")

    def filled(self, template: str, captured: Mapping[str, Any]) -> str:
        """The words of a template.

        Raises:
            MissingValues: not all of it is captured.
        """
        missing: list[str] = []
        parts: list[str] = []
        for text, name, _, _ in string.Formatter().parse(self.templates[template]):
            parts.append(text)
            if name is not None and name not in captured:
                missing.append(name)
            elif name is not None:
                parts.append(in_words(captured[name])[:VALUE_MAX])
        if missing:
            raise MissingValues(missing)
        return "".join(parts)

    def __repr__(self) -> str:
        return f"<Texts with templates: {', '.join(self.templates) or 'none'}>"


def _checked(name: str, text: str) -> str:
    if not _NAME.fullmatch(name):
        raise AgentFault(f"texts, template {name!r}: a name has at most 40 letters a to z, digits and _")
    if not text.strip() or len(text) > TEXT_MAX:
        raise AgentFault(f"texts, template {name}: it has 1 to {TEXT_MAX} characters")
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as error:
        raise AgentFault(f"texts, template {name}: {error}; write {{{{ for a brace itself") from error
    for _, field, form, conversion in parsed:
        if field is not None and (form or conversion or not _FIELD.fullmatch(field)):
            raise AgentFault(
                f"texts, template {name}: {{{field}}} is no field; write {{day}} or {{form.day}}"
            )
    return text


def in_words(value: object) -> str:
    """A captured value, in its JSON form, as somebody reads it: on one line."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return clean(value, is_one_line=True)
        case list():
            return ", ".join(filter(None, map(in_words, value)))
        case dict():
            return ", ".join(filter(None, map(in_words, value.values())))
        case _:
            return json.dumps(value)


def clean(text: str, *, is_one_line: bool = False) -> str:
    """`text` without what no telephone shows: control signs, halves of characters, spaces around it."""
    if not is_one_line:
        return "\n".join(clean(line, is_one_line=True) for line in text.splitlines()).strip()
    shown = (" " if unicodedata.category(sign) in _UNSHOWN else sign for sign in text)
    return " ".join("".join(shown).split())
