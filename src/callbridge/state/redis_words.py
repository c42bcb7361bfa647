"""What is wrong with Redis, in words for an operator: which one, without its password, and what to do."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import TimeoutError as TooLate

_NOT_LET_IN: Final = "does not let callbridge in. Look at the name and the password in REDIS_URL"
_A_CLUSTER: Final = "is a cluster. callbridge needs one Redis, with copies if you like"
_FULL: Final = "is full. Give it more memory (its `maxmemory`), and the policy noeviction"
_A_COPY: Final = "is a copy, which takes no writes. REDIS_URL must lead to the one that it copies"
_DISK: Final = "cannot write to its own disk, and takes nothing until it can. Look at its disk and its log"

_BY_CLASS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (AuthenticationError, _NOT_LET_IN),
    (AuthorizationError, _NOT_LET_IN),
    (BusyLoadingError, "is reading its data after a start. That passes"),
    (AskError, _A_CLUSTER),
    (ClusterCrossSlotError, _A_CLUSTER),
    (ClusterDownError, _A_CLUSTER),
    (OutOfMemoryError, _FULL),
    (ReadOnlyError, _A_COPY),
    (NoPermissionError, "does not let this user do all that callbridge needs: commands on keys callbridge:*"),
    (TooLate, "does not answer in time. Look whether it runs and can be reached from here"),
    (TimeoutError, "does not answer in time. Look whether it runs and can be reached from here"),
)

_BY_WORD: Final = (("MISCONF", _DISK), ("OOM", _FULL), ("READONLY", _A_COPY))
"""By a word in the answer, which may be that of a script."""

_ANSWER_SHOWN: Final = 60
"""Characters of an answer that is none of these: more of it might have in it what was written."""


def shown(url: str) -> str:
    """The address, without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def is_a_copy(error: Exception) -> bool:
    """Whether it takes no writes because it copies another one."""
    return _what_it_does(error) == _A_COPY


def in_words(error: Exception, url: str) -> str:
    """Why Redis cannot be used, and what to do."""
    return f"Redis at {shown(url)} {_what_it_does(error)}."


def _what_it_does(error: Exception) -> str:
    for kind, words in _BY_CLASS:
        if isinstance(error, kind):
            return words
    if isinstance(error, ResponseError):
        for word, words in _BY_WORD:
            if word in str(error):
                return words
        return f"answers with an error: {str(error)[:_ANSWER_SHOWN]}"
    return "cannot be reached. Look whether it runs, and at REDIS_URL"
