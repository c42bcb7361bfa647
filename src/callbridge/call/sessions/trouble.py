"""Why there is no session of the model, and whether another try could mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from callbridge.call.codes import (
    CLOSE_SAYS,
    FATAL_CODES,
    FATAL_STATUSES,
    RATE_LIMIT_CODES,
    REQUEST_REFUSED,
    UNKNOWN_MODEL_CODES,
)
from callbridge.call.facts import ModelTrouble


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no session, or no longer one."""

    why: str
    status: int | None = None
    """The HTTP status that answered the dial, when one did."""
    code: str | None = None
    """The vendor's error code, when there was one."""
    retry_after_s: float | None = None
    """When the server asks to be tried again (RFC 9110 section 10.2.3, Retry-After)."""
    is_our_fault: bool = False
    """The server refused what our configuration asks for: it will again."""
    lacks_descriptors: bool = False
    """This process could open no socket."""

    @classmethod
    def of_close(cls, why: str, close_code: int, reason: str) -> Self:
        """The server has closed the socket. What its code says, it may have said nowhere else."""
        code = CLOSE_SAYS.get(close_code)
        if close_code == REQUEST_REFUSED:
            code = reason.rpartition(".")[2] or None
        return cls(why, code=code)

    @property
    def is_fatal(self) -> bool:
        """Whether no second try can mend it."""
        return self.is_our_fault or self.code in FATAL_CODES or self.status in FATAL_STATUSES

    @property
    def is_unknown_model(self) -> bool:
        """Whether the model does not exist, or is gone."""
        return self.code in UNKNOWN_MODEL_CODES or self.status == 404

    @property
    def is_rate_limit(self) -> bool:
        """Whether the account has too much going on for another session (RFC 6585 section 4, 429)."""
        is_limit = self.status == 429 or self.code in RATE_LIMIT_CODES
        return is_limit and not self.is_fatal

    def as_fact(self, doing: str, model: str) -> ModelTrouble:
        """The trouble for the record. `doing`: what it kept from happening."""
        return ModelTrouble(
            doing,
            self.why,
            self.status,
            self.code,
            self.is_fatal,
            self.is_rate_limit,
            model,
            self.is_our_fault,
            self.lacks_descriptors,
        )
