"""The attacks that are known, as a table: what each does, and how long it may take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from e2e import attacks_calls as calls
from e2e import attacks_port as port
from e2e import attacks_stream as stream
from e2e.target import Target

CarryOut: TypeAlias = Callable[[Target], Awaitable[None]]


@dataclass(frozen=True)
class Attack:
    """One of them. It fails by an assertion of its own; what holds for all is looked at behind each."""

    name: str
    carry_out: CarryOut
    within_s: float = 10.0
    """On a busy machine."""
    kinds: int = 0
    """Of its requests, as the log tells them apart, beside a few: there is a line for the first of each."""


ADDRESSES: Final = len(port.WEBHOOKS)
"""Each has refusals of its own: of what is not signed, and of what another has signed."""

LIVE: Final = 3
"""Calls that stay live through all attacks."""

ATTACKS: Final = (
    Attack("endless headers on eight connections", port.endless_headers),
    Attack("one endless header line", port.endless_line),
    Attack("endless trailers", port.endless_trailers),
    Attack("an endless chunked body", port.endless_chunks),
    Attack("an endless body", port.endless_body),
    Attack("requests in a row", port.pipelined),
    Attack("slow heads and bodies", port.slowly),
    Attack("silent connections", port.silent, 20),
    Attack("requests that are reset", port.resets),
    Attack("other protocols, odd methods and heads", port.other_protocols, 20),
    Attack("addresses of operators and of files", port.nowhere, kinds=ADDRESSES),
    Attack("upgrades that nobody signed", port.unsigned_upgrades),
    Attack("forged webhooks", port.forged, 20, kinds=2 * ADDRESSES + 1),
    Attack("odd forms", port.odd_forms, kinds=ADDRESSES),
    Attack("wrong keys at the control listener", port.wrong_keys),
    Attack("a captured voice webhook of live calls", calls.replayed_voice),
    Attack("a captured question of live calls", calls.replayed_stream_ended),
    Attack("captured news of live calls", calls.replayed_news, kinds=4 * LIVE),
    Attack("captured alerts of live calls, and probes", calls.replayed_alerts),
    Attack("every captured webhook of calls that are over", calls.replayed_call),
    Attack("webhooks of another account", calls.another_account),
    Attack("one caller in series", calls.one_caller),
    Attack("one SIP host with changing names", calls.one_sip_host),
    Attack("callers without a number", calls.anonymous),
    Attack("values that reach for the log and the document", calls.injections, 20),
    Attack("odd headers", calls.odd_headers),
    Attack("a captured upgrade, held open", stream.captured_upgrade),
    Attack("a captured upgrade, again and again", stream.captured_upgrades_go_on),
    Attack("bad tokens", stream.bad_tokens),
    Attack("odd frames before a start", stream.odd_frames),
    Attack("hostile phones", stream.hostile_phones, 30),
    # The last one: Twilio knows no call any more that it has called completed.
    Attack("that a live call were completed", calls.call_is_over),
)
