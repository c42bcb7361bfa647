"""How a stream ended, each in one word."""

from __future__ import annotations

from enum import Enum


class EndReason(Enum):
    """Why a stream ended. Exactly one per stream, from this closed list."""

    CALLER_HANGUP = "caller_hangup"
    """Twilio has stopped the stream. A `StreamAsked` that says `moved` behind it: it was not the caller."""
    AGENT_HANGUP = "agent_hangup"
    MODEL_UNAVAILABLE = "model_unavailable"
    """The model could not be reached or refused us before it ever spoke."""
    MODEL_LOST = "model_lost"
    """The model went away, stalled or kept failing in mid-call."""
    MEDIA_LOST = "media_lost"
    """The phone's socket went away without a stop, or its audio ceased."""
    HANDED_OVER = "handed_over"
    """The process is going away: the call goes on with the next one."""
    PERSON_WANTED = "person_wanted"
    """The caller pressed the key that leads to a human."""
    TRANSFERRED = "transferred"
    """The agent puts the caller through to a person, and has said so."""
    LIMIT_DURATION = "limit_duration"
    """It was long enough, or the caller had gone silent. The agent has said so."""
    LIMIT_COST = "limit_cost"
    """It cost as much as one call may. The agent has said goodbye."""
    LIMIT_SPEND_TOTAL = "limit_spend_total"
    """All calls together cost more than they may. The agent has said goodbye."""
    LIMIT_RESPONSES = "limit_responses"
    """The model was made to answer more often than anybody talks. The agent has said goodbye."""
    OPERATOR_HANGUP = "operator_hangup"
    """An operator wanted it to end. The agent has said goodbye."""
    REJECTED_AUTH = "rejected_auth"
    REJECTED_PROTOCOL = "rejected_protocol"
    SERVICE_STOPPED = "service_stopped"
    INTERNAL_ERROR = "internal_error"
    PROCESS_LOST = "process_lost"
    """The process that carried it is gone, and nobody has gone on with it. Written down afterwards."""

    @property
    def is_normal(self) -> bool:
        """Whether somebody meant the call to end. Everything else owes the caller a word."""
        return self in _MEANT


_MEANT = frozenset(
    {
        EndReason.CALLER_HANGUP,
        EndReason.AGENT_HANGUP,
        EndReason.LIMIT_DURATION,
        EndReason.LIMIT_COST,
        EndReason.LIMIT_SPEND_TOTAL,
        EndReason.LIMIT_RESPONSES,
        EndReason.OPERATOR_HANGUP,
        EndReason.TRANSFERRED,
    }
)
