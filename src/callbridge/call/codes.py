"""What the peers' codes mean for a call, and which codes we close with. Names and numbers, no decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.call.facts import EndReason

if TYPE_CHECKING:
    from collections.abc import Mapping

# --- The model's error codes ----------------------------------------------------------------------------
#
# The Realtime reference (error.code) gives no list: where no page is named, they were seen on the wire.

UNKNOWN_MODEL_CODES: Final = frozenset({"invalid_model", "model_not_found"})
"""Another model may be tried instead."""

FATAL_CODES: Final = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "billing_hard_limit_reached",
        "invalid_api_key",
        "account_deactivated",
        *UNKNOWN_MODEL_CODES,
    }
)
"""Error codes that no retry can mend (OpenAI guide, "Error codes": key and quota)."""

FATAL_STATUSES: Final = frozenset({401, 403, 404})
"""HTTP answers to a dial that the next dial will get as well: key, country (OpenAI guide, "Error codes"),
model."""

RATE_LIMIT_CODES: Final = frozenset({"rate_limit_exceeded", "inference_rate_limit_exceeded"})
"""The account has too much going on: another session would not help."""

HARMLESS_CODES: Final = frozenset(
    {
        "response_cancel_not_active",
        "conversation_already_has_active_response",
        "item_truncate_invalid_item_id",
        "item_not_found",
        "audio_unintelligible",
        "input_audio_buffer_commit_empty",
    }
)
"""Error codes of races that the protocol cannot avoid: what we wanted has happened already."""

# --- The model's close codes ------------------------------------------------------------------------------
# A refusal may be a socket that opens, an `error` event, and then one of these.

CLOSE_SAYS: Final[Mapping[int, str]] = {3000: "invalid_api_key", 4004: "model_not_found"}
"""The error codes that they stand for, with or without an error event before them."""

REQUEST_REFUSED: Final = 4000
"""The reason of the close ends in the error code: `invalid_request_error.invalid_model`."""

# --- Close codes of RFC 6455 section 7.4.1 ----------------------------------------------------------------

CLOSE_CODES: Final[Mapping[EndReason, int]] = {
    EndReason.REJECTED_AUTH: 1008,
    EndReason.REJECTED_PROTOCOL: 1008,
    EndReason.MODEL_UNAVAILABLE: 1011,
    EndReason.MODEL_LOST: 1011,
    EndReason.INTERNAL_ERROR: 1011,
    EndReason.SERVICE_STOPPED: 1001,
    EndReason.HANDED_OVER: 1001,
    EndReason.PROCESS_LOST: 1001,
}
"""What the phone leg is closed with; 1000 for the rest."""

PROTOCOL_CODES: Final = frozenset({1002, 1003, 1007, 1009})
"""A frame was broken, of the wrong kind, or too large."""

SERVER_STOPS: Final = 1012
"""uvicorn says this of the phone leg when it is told to stop; Twilio never sends it. Of the registry of RFC
6455 section 11.7: service restart."""

TRY_AGAIN_LATER: Final = 1013
"""The phone leg gave way to a newer socket before it had begun. Of the same registry."""
