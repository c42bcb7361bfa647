"""What the variables are called that hold settings, and what is said of a name that none of them has.

A name that others gave stays theirs. All other names are ours and begin with CALLBRIDGE_: desktops set
LANGUAGE for themselves, conda sets HOST, and neither may configure a telephone. So a name that begins like
ours and is none of them is a slip of the pen, which would leave a limit or a safeguard off in silence.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

PREFIX: Final = "CALLBRIDGE_"

_OF_OTHERS: Final = frozenset(
    {
        "OPENAI_API_KEY",
        "OPENAI_ADMIN_KEY",
        "PUBLIC_BASE_URL",
        "PORT",
        "TWILIO_ACCOUNT_SID",
        "TWILIO_AUTH_TOKEN",
    }
    | {"DATABASE_URL", "NATS_URL", "REDIS_URL"}
    | {"TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET", "TWILIO_REGION", "TWILIO_EDGE"}
    | {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"}
    | {"OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"}
)
"""OpenAI's, Twilio's, OpenTelemetry's, the container hosts', and those under which these tell a server."""

_SERVICE_LINK: Final = re.compile(
    r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://.*")
"""Kubernetes tells every container of each Service in these forms, and a Service may be called callbridge."""


def variable(field: str) -> str:
    """The name of the variable that sets this field of the settings."""
    name = field.upper()
    return name if name in _OF_OTHERS else PREFIX + name


def begins_like_ours(name: str) -> bool:
    """Whether it can only be meant as a setting of ours."""
    return name.startswith(PREFIX) or name in _OF_OTHERS


def unknown_names(given: Mapping[str, str | None], known: Collection[str]) -> Iterator[str]:
    """The names in `given` that begin like ours and that no setting has.

    An empty value does not excuse one: to be empty is how a variable of the image is taken back.
    """
    for name, value in given.items():
        if name.startswith(PREFIX) and name not in known and not _is_of_a_service(name, value or ""):
            yield name


def nearest_name(name: str, known: Collection[str], *, likeness: float = 0.6) -> str | None:
    """The known name that was most likely meant, or nothing when none is like it."""
    bare = {other.removeprefix(PREFIX): other for other in known}
    found = difflib.get_close_matches(name.removeprefix(PREFIX), bare, n=1, cutoff=likeness)
    return bare[found[0]] if found else None


_CLEARLY_LIKE: Final = 0.8
"""SPEND_PER_DAY is like SPEND_PER_DAY_MAX by 0.87, REDIS_URL is like REALTIME_URL by 0.57."""


def meant_in_a_file(name: str, known: Collection[str]) -> str | None:
    """The setting that a line of our file most likely means, though its name does not begin like ours."""
    if name in known or name.startswith(PREFIX):
        return None
    return nearest_name(name, known, likeness=_CLEARLY_LIKE) or _with_misspelt_prefix(name, known)


def meant_in_the_environment(name: str, known: Collection[str]) -> str | None:
    """The same for the environment of a process, which is full of names of others: HOST, LANGUAGE, LOG_LEVEL.

    So it must be a name that no other program would use: exactly ours without the prefix, or with one that
    is misspelt.
    """
    if name in known or name in _COMMON or name.startswith(PREFIX) or "_" not in name:
        return None
    return PREFIX + name if PREFIX + name in known else _with_misspelt_prefix(name, known)


_COMMON: Final = frozenset({"LOG_LEVEL", "LOG_FORMAT"})


def _with_misspelt_prefix(name: str, known: Collection[str]) -> str | None:
    ours = [other for other in known if other.startswith(PREFIX)]
    return next(iter(difflib.get_close_matches(name, ours, n=1, cutoff=0.9)), None)


def _is_of_a_service(name: str, value: str) -> bool:
    is_address = name.endswith("PORT") and _SERVICE_ADDRESS.fullmatch(value)
    return bool(is_address or _SERVICE_LINK.fullmatch(name.removeprefix(PREFIX)))
