"""What a webhook says of a call beside its numbers, and what of it an agent is told.

The webhook notes it under the CallSid (`CallDescribed`), so that whichever process gets the stream knows it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from callbridge.agents.context import About, Caller, CallerKind
from callbridge.call.facts import CallDescribed
from callbridge.switchboard.callers import known_as

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from starlette.requests import Request

    from callbridge.call.facts import Fact
    from callbridge.server.http.forms import TwilioForm
    from callbridge.server.process.desk import Desk

PARAMETERS_MAX: Final = 32
CHARACTERS_MAX: Final = 500
"""So many names, and characters of a name and of a value: what a person would put into an address."""

_SIP_HEADER: Final = "SipHeader_"
_VOUCHED: Final = re.compile(r"TN-Validation-Passed-([ABC])(?:-Diverted)?")
"""What the carrier vouches for. What was only passed through may be the proof of another call."""


def described(request: Request, form: TwilioForm) -> CallDescribed:
    """What the form and the address of a webhook say of the call."""
    vouched = _VOUCHED.fullmatch(form.get("StirVerstat"))
    return CallDescribed(
        form.get("CallerName")[:CHARACTERS_MAX],
        "" if vouched is None else vouched[1],
        tuple(_bounded(_parameters(request, form))),
    )


def _parameters(request: Request, form: TwilioForm) -> Iterator[tuple[str, str]]:
    """The address's own first: a caller by SIP writes as many headers as they like."""
    of_address = dict(_query(request))
    yield from of_address.items()
    yield from ((name, value) for name, value in _headers(form) if name not in of_address)


def _headers(form: TwilioForm) -> Iterator[tuple[str, str]]:
    return ((name, value) for name, value in form.fields.items() if name.startswith(_SIP_HEADER))


def _query(request: Request) -> Iterator[tuple[str, str]]:
    """What the number's voice URL says.

    Of a GET Twilio puts its own parameters there as well. All of these begin with a capital, so those that do
    not are the address's; what an app gives to its call stands among them, and is believed as much.
    """
    is_all_ours = request.method == "POST"
    for name, value in request.query_params.multi_items():
        if is_all_ours or not name[:1].isupper():
            yield name, value


def _bounded(parameters: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    fitting = ((name, value[:CHARACTERS_MAX]) for name, value in parameters if len(name) <= CHARACTERS_MAX)
    for _, parameter in zip(range(PARAMETERS_MAX), fitting, strict=False):
        yield parameter


def description_in(earlier: Iterable[Fact]) -> CallDescribed:
    """What the webhook has noted of a call, from its facts so far; nothing where it noted nothing."""
    found = [fact for fact in earlier if isinstance(fact, CallDescribed)]
    return found[-1] if found else CallDescribed()


def about(
    desk: Desk, call_sid: str, caller: str, called: str, said: CallDescribed, *, agent: str = ""
) -> About:
    """What is known of a call.

    Args:
        desk: knows where agents are at home that do not say so.
        call_sid: Twilio's name for the call.
        caller: Twilio's `From`.
        called: Twilio's `To`.
        said: what the webhook says beside that.
        agent: the name of who answers; nothing while they are chosen.
    """
    kind = _kind_of(caller)
    number = "" if kind is CallerKind.ANONYMOUS else caller
    return About(
        call_sid,
        Caller(number, kind, said.caller_name, said.attestation),
        called,
        dict(said.parameters),
        agent,
        desk.settings.language or "",
        desk.settings.time_zone,
        desk.remembered_key(caller),
        wall_now=desk.wall_now,
    )


def _kind_of(caller: str) -> CallerKind:
    known = known_as(caller)
    if known is None:
        return CallerKind.ANONYMOUS
    scheme = known.partition(":")[0]
    return {"sip": CallerKind.SIP, "client": CallerKind.CLIENT}.get(scheme, CallerKind.PHONE)
