"""What Twilio's debugger says: the form of its webhook, and the pairs in the text of an alert.

Pure. Nothing in it is sure but that Twilio has sent it: fields change from one kind of error to the next.
https://www.twilio.com/docs/usage/troubleshooting/debugging-event-webhooks
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

CODE_DIGITS_MAX: Final = 8
PAIRS_MAX: Final = 64

_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_CODE = re.compile(rf"[0-9]{{1,{CODE_DIGITS_MAX}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DebuggerEvent:
    """One error or warning."""

    sid: str
    """Twilio's name of it, `NO…`: the same when it is told again."""
    code: str
    level: Literal["error", "warning"]
    resource_sid: str
    """What it is about: a call (`CA…`), a message (`SM…`), or nothing."""
    text: str
    """In Twilio's words. Numbers may stand in it."""


def read_debugger_event(fields: Mapping[str, str]) -> DebuggerEvent | None:
    """The event in the form of the debugger's webhook; nothing when this is none."""
    sid, payload = fields.get("Sid", ""), _object(fields.get("Payload", ""))
    code = str(payload.get("error_code") or "")
    if not _SID.fullmatch(sid) or not _CODE.fullmatch(code):
        return None
    resource = str(payload.get("resource_sid") or "")
    return DebuggerEvent(
        sid=sid,
        code=code,
        level=_level(fields.get("Level", "")),
        resource_sid=resource if _SID.fullmatch(resource) else "",
        text=_message(payload.get("more_info")),
    )


def text_of_alert(alert_text: str) -> str:
    """What the text of an alert of the Monitor API says: URL-encoded pairs, as a rule."""
    try:
        pairs = dict(parse_qsl(alert_text, max_num_fields=PAIRS_MAX))
    except ValueError:
        return ""
    return _message(pairs) if pairs else alert_text


def _level(said: str) -> Literal["error", "warning"]:
    return "warning" if said.lower().startswith("warn") else "error"


def _object(text: str) -> dict[str, object]:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _message(more_info: object) -> str:
    """The words in an object whose keys change."""
    if isinstance(more_info, str):
        return more_info
    if not isinstance(more_info, dict):
        return ""
    named = {str(name).lower(): said for name, said in more_info.items()}
    said = named.get("msg") or named.get("message") or named.get("parsermessage") or ""
    return said if isinstance(said, str) else ""
