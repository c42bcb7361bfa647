"""The request that a receiver of another kind wants: what users' own functions answer."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Method: TypeAlias = Literal["POST", "PUT", "PATCH"]


class WebhookRequest(msgspec.Struct, frozen=True):
    """What is sent to a receiver in place of callbridge's own body.

    A function that a `[[webhook]]` names gets a `CallStory` and answers one of these, or None: then nothing
    is sent.
    """

    body: Any
    """What JSON can hold."""
    method: Method = "POST"
    path: str = ""
    """Path and query at the same host, `/calls/CA…`; empty for that of the file's `url`."""
    headers: dict[str, str] = {}
    """Further ones, beside those of the file."""
