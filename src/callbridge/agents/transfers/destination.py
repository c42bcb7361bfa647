"""`Destination`: a person, or several, to whom an agent can put its caller through."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

from callbridge.agents.fault import AgentFault
from callbridge.agents.languages.codes import LanguageFault, checked_language
from callbridge.agents.office_hours import HoursFault, OfficeHours
from callbridge.agents.transfers.addresses import AddressFault, checked_address, checked_bound, is_number
from callbridge.agents.transfers.templates import Template, TemplateFault

RING_S: Final = (5, 120)
"""Twilio rings five seconds longer than it is told, and no caller waits for two minutes and more."""

WORDS_MAX: Final = 500
"""Characters of a text that the model reads, or the caller hears."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}", re.ASCII)
_EXTENSION: Final = re.compile(r"[0-9*#w]{1,32}", re.ASCII)

Shows: TypeAlias = Literal["caller", "line"]
OfCall: TypeAlias = Callable[..., str | Awaitable[str]]
"""A function of the call, or of nothing, that answers with a text. It may be async."""


@dataclass(frozen=True, slots=True)
class By:
    """A rule: the address depends on a value of the call. Made by `by`."""

    value: str
    addresses: Mapping[str, str]
    """By value, as `spelled`."""
    otherwise: str = ""

    def address(self, value: object) -> str:
        """Who is rung for this value, or while there is none; empty for nobody."""
        found = None if value is None else self.addresses.get(spelled(value))
        return found or self.otherwise


def spelled(value: object) -> str:
    """How values are compared: `Berlin` is `berlin`, and `True` is `true`."""
    return " ".join(str(value).casefold().split())


def by(value: str, addresses: Mapping[Any, str], *, otherwise: str = "") -> By:
    """The address of a destination depends on what the caller has given: `by("city", {"Berlin": "+4930…"})`.

    Args:
        value: the name of a field of one of the agent's forms, or of something in `call.values`. What was
            captured comes first.
        addresses: who is rung for which value. Capital letters make no difference.
        otherwise: who is rung for every other value, and while there is none. Without it nobody is.

    Raises:
        AgentFault: there is no address, or there are two for the same value.
    """
    listed = {spelled(key): address for key, address in addresses.items()}
    if not listed or len(listed) < len(addresses):
        raise AgentFault(f"by({value!r}, …): give each value one address, such as {{'Berlin': '+4930…'}}")
    return By(value, listed, otherwise)


class Destination:
    """Somebody to whom an agent can put its caller through.

    The model knows its name and what it is for. It sees no address, and can give none.

    Args:
        name: what it is called: `sales`. A letter, and at most 39 more of a to z, digits, _ and -.
        to: `+14155550100`, `sip:sales@pbx.example.com` or `client:anna`; `by(…)` where it depends on what the
            caller has given; or a function of the call that answers with one. That may be async, and has 2 s.
        when: what it is for, for the model: `the caller wants to buy something`.
        ring_s: how long it rings, from 5 to 120 seconds.
        extension: keys that are pressed for the caller once somebody has answered: digits, `*`, `#`, and `w`
            for half a second's wait. For telephone numbers only.
        shows: whose number they see: the `caller`'s, or that of the `line` which was called.
        asks: whoever answers hears a briefing, and presses a key to take the call. So a mailbox is noticed.
        warm: the same, and meanwhile the caller hears a hold sound, and stays with the agent until it is
            taken.
        briefing: what they hear first: a text with names of values in braces, `"{name} calls about
            {reason}."`, or a function of the call. Without it the model sums the call up. `{reason}` and
            `{summary}` are the model's words; only `{caller}` says the caller's number.
        hours: when they are there, in the agent's own time: `Mo-Fr 9:00-17:30, Sa 10:00-13:00`. Outside of
            them nobody is rung, and the agent is told.
        says: what the caller is told before, exactly. Without it the model says it.
        within: for a function only: what its answer must be within. The beginning of numbers (`+4930`),
            `sip:*@pbx.example.com`, or `client:*`. Whatever else it answers is not rung.
        language: in which language they hear the briefing; by default that of the callers.

    Raises:
        AgentFault: something of this cannot be so.
    """

    def __init__(
        self,
        name: str,
        to: str | By | OfCall,
        *,
        when: str = "",
        ring_s: int = 20,
        extension: str = "",
        shows: Shows = "caller",
        asks: bool = False,
        warm: bool = False,
        briefing: str | OfCall | None = None,
        hours: str | OfficeHours | None = None,
        says: str = "",
        within: Sequence[str] = (),
        language: str | None = None,
    ) -> None:
        self.name, self.to, self.when, self.ring_s = name, to, when, ring_s
        self.extension, self.shows, self.says, self.within = extension, shows, says, tuple(within)
        self.asks, self.warm, self.language = asks or warm, warm, language
        try:
            self._check()
            self.hours = OfficeHours.parse(hours) if isinstance(hours, str) else hours
            self.briefing = Template.read(briefing) if isinstance(briefing, str) else briefing
            self.language = language and checked_language(language)
        except (AddressFault, HoursFault, TemplateFault) as fault:
            raise AgentFault(f"destination {name!r}: {fault}") from fault
        except LanguageFault as fault:
            raise AgentFault(f"destination {name!r}: language={language!r} {fault}") from fault
        for what, function in (("to", to), ("briefing", briefing)):
            if callable(function) and not _is_of_call(function):
                raise AgentFault(
                    f"destination {name!r}, {what}: it is given the call in one parameter, or nothing"
                )
        if briefing is not None and not self.asks:
            raise AgentFault(f"destination {name!r}: nobody hears its briefing; add asks=True or warm=True")

    @property
    def wants_summary(self) -> bool:
        """Whether somebody hears what the model makes of the call."""
        told = self.briefing
        return self.asks and (told is None or (isinstance(told, Template) and "summary" in told.names))

    @property
    def addresses(self) -> tuple[str, ...]:
        """All that it may ring; nothing for a function."""
        match self.to:
            case str():
                return (self.to,)
            case By(addresses=addresses, otherwise=otherwise):
                return (*addresses.values(), *([otherwise] if otherwise else []))
            case _:
                return ()

    def _check(self) -> None:
        wrong = next((what for what, is_so in self._conditions() if not is_so), None)
        if wrong is not None:
            raise AgentFault(f"destination {self.name!r}: {wrong}")
        for address in self.addresses:
            checked_address(address)
        for bound in self.within:
            checked_bound(bound)
        if self.extension and not all(map(is_number, self.addresses or self.within)):
            raise AgentFault(f"destination {self.name!r}: an extension is for telephone numbers only")
        for text in (self.name, self.when, self.says):
            if any(_digits(one) in _digits(text) for one in self.addresses if is_number(one)):
                raise AgentFault(f"destination {self.name!r}: its number stands in what the model reads")

    def _conditions(self) -> Iterator[tuple[str, bool]]:
        low, high = RING_S
        yield "a name is a letter and at most 39 more of a to z, digits, _ and -", _is_name(self.name)
        yield (
            "to is an address, by(…), or a function of the call",
            isinstance(self.to, str | By) or callable(self.to),
        )
        yield (
            f"ring_s={self.ring_s!r}: it rings {low} to {high} whole seconds",
            type(self.ring_s) is int and low <= self.ring_s <= high,
        )
        yield "shows is caller or line", self.shows in get_args(Shows)
        yield (
            f"when and says have at most {WORDS_MAX} characters",
            max(len(self.when), len(self.says)) <= WORDS_MAX,
        )
        is_asked = not isinstance(self.to, str | By)
        yield "a function's answer needs bounds: within=['+4930']", bool(self.within) or not is_asked
        yield "within is for a function; these addresses are certain", is_asked or not self.within
        yield (
            f"extension={self.extension!r}: write digits, *, # and w, at most 32",
            not self.extension or bool(_EXTENSION.fullmatch(self.extension)),
        )

    def __repr__(self) -> str:
        return f"<Destination {self.name}>"


def _is_name(name: str) -> bool:
    return bool(_NAME.fullmatch(name))


def _is_of_call(function: Callable[..., object]) -> bool:
    """Whether it can be called with the call, or with nothing."""
    parameters = inspect.signature(function).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    needed = [one for one in parameters if one.default is one.empty and one.kind in named]
    return len(needed) <= 1 and all(one.kind is not one.POSITIONAL_ONLY for one in parameters)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)
