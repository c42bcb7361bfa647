"""Where a number points, and where it is to: what changes, what is somebody else's, what is in the way.

Pure: values in, values out.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from callbridge.telephony.rest.records import Pointing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from callbridge.telephony.rest.records import OwnedNumber

_WORDS: Final = {
    "voice_url": "voice URL",
    "voice_method": "voice method",
    "fallback_url": "fallback URL",
    "fallback_method": "fallback method",
    "status_url": "status callback",
    "status_method": "status callback method",
    "sms_url": "SMS URL",
    "sms_method": "SMS method",
    "application_sid": "voice application",
    "trunk_sid": "SIP trunk",
    "sms_application_sid": "SMS application",
}
_ADDRESSES: Final = frozenset({"voice_url", "fallback_url", "status_url", "sms_url"})
_METHOD_OF: Final = {
    "voice_url": "voice_method",
    "fallback_url": "fallback_method",
    "status_url": "status_method",
    "sms_url": "sms_method",
}
_DEMO_HOST: Final = "demo.twilio.com"


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a number that is to be another."""

    field: str
    """Of `Pointing`."""
    before: str
    after: str

    @property
    def words(self) -> str:
        """What the field is called in Twilio's console, or near it."""
        return _WORDS[self.field]


def pointing_to(
    voice_url: str, status_url: str, *, fallback_url: str | None = None, sms_url: str | None = None
) -> Pointing:
    """These addresses, by POST. None leaves what is there."""
    return Pointing(
        voice_url=voice_url,
        voice_method="POST",
        fallback_url=fallback_url,
        fallback_method="POST" if fallback_url else None,
        status_url=status_url,
        status_method="POST",
        sms_url=sms_url,
        sms_method="POST" if sms_url else None,
    )


def taking_over(pointing: Pointing) -> Pointing:
    """The same, which also takes away what overrides its addresses."""
    taken = replace(pointing, application_sid="", trunk_sid="")
    return taken if pointing.sms_url is None else replace(taken, sms_application_sid="")


def as_it_is(number: OwnedNumber) -> Pointing:
    """All of where a number points: what puts it back later."""
    told = {name: str(getattr(number, name)) for name in _WORDS}
    # A method without its address is refused (21405), and says nothing.
    idle = {method for address, method in _METHOD_OF.items() if not told[address]}
    return Pointing(**{name: value for name, value in told.items() if name not in idle})


def given_back(number: OwnedNumber, now: Pointing, before: Pointing, after: Pointing) -> Pointing:
    """Where a number is to be put back that was pointed more than once.

    Args:
        number: as it is.
        now: where it points, all of it.
        before: where it pointed before us.
        after: where we have pointed it. What is elsewhere by now was set by somebody else since.
    """
    ours = {name for name, value in _told(after) if value == getattr(number, name)}
    return replace(now, **{name: value for name, value in _told(before) if name in ours})


def over(below: Pointing, above: Pointing) -> Pointing:
    """The second, and the first where the second says nothing."""
    return replace(below, **dict(_told(above)))


def changes(number: OwnedNumber, pointing: Pointing) -> list[Change]:
    """What of a number is not as it is to be."""
    told = dict(_told(pointing))
    found = {name: (str(getattr(number, name)), value) for name, value in told.items()}
    # A method without its address is refused (21405): it changes with it.
    for address, method in _METHOD_OF.items():
        if method in found and found[method][0] != found[method][1] and not told.get(address, ""):
            del found[method]
    return [Change(name, before, after) for name, (before, after) in found.items() if before != after]


def needed(found: Iterable[Change]) -> Pointing:
    """What has to be sent for these changes, and no more: setting an application takes away a trunk, and the
    other way round.
    """
    return Pointing(**{change.field: change.after for change in found})


def overridden_by(number: OwnedNumber) -> str:
    """What makes Twilio ignore the voice URL, in words; nothing where it counts."""
    if number.trunk_sid:
        return f"the SIP trunk {number.trunk_sid}"
    return f"the application {number.application_sid}" if number.application_sid else ""


def texts_overridden_by(number: OwnedNumber) -> str:
    """The same of the SMS URL."""
    return f"the SMS application {number.sms_application_sid}" if number.sms_application_sid else ""


def of_others(found: Iterable[Change], ours: Iterable[str]) -> list[Change]:
    """Those of the changes that overwrite what somebody has set who is not us.

    Args:
        found: what is to be changed.
        ours: base addresses of services of ours, and addresses that we have put there ourselves.
    """
    known = tuple(ours)
    return [
        change
        for change in found
        if change.before
        and not change.field.endswith("method")
        and not (change.field in _ADDRESSES and (is_within(change.before, known) or is_demo(change.before)))
    ]


def is_within(url: str, bases: Iterable[str]) -> bool:
    """Whether an address is one of these, or below one of them. Capitals in a host do not matter."""
    spelt = _spelt(url)
    return any(spelt == base or spelt.startswith(f"{base}/") for base in map(_spelt, filter(None, bases)))


def is_demo(url: str) -> bool:
    """Whether this is what Twilio sets at a new number."""
    return (urlsplit(url).hostname or "") == _DEMO_HOST


def _spelt(url: str) -> str:
    """An address as it is compared: without what Twilio keeps for itself, and how it is asked."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path}".rstrip("/")


def _told(pointing: Pointing) -> Iterator[tuple[str, str]]:
    """The fields that are set, with their values."""
    for field in fields(pointing):
        if (value := getattr(pointing, field.name)) is not None:
            yield field.name, value
