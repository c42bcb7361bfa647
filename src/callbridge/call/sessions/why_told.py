"""Why a new session is told what was said before it: the last of what it is told, and for the model alone."""

from __future__ import annotations

from typing import Final

BROKE_OFF: Final = (
    "[The connection broke off for a moment. What stands above was said before. The caller's last words may "
    "be missing: if they are, ask for them. Otherwise go on where you were.]"
)
RENEWED: Final = "[What stands above was said earlier in this call. Go on as if nothing had happened.]"
CONTINUED: Final = (
    "[The call was cut off for a moment and is connected again. What stands above was said before. "
    "Apologise in a few words, and go on where you were.]"
)
BACK: Final = (
    "[The caller was put through, nobody took the call, and they are back with you. What stands above was "
    "said before, and what became of it. Tell them in one sentence, and go on with them.]"
)
CONTINUED_BLINDLY: Final = (
    "[The call was cut off and is connected again; what was said before is lost. "
    "Apologise in a few words, and ask what it was about.]"
)


def note_of_another_stream(*, is_known: bool, is_back: bool) -> str:
    """What the first session of a stream is told that goes on with a call.

    Args:
        is_known: whether anything is known of what was said.
        is_back: whether the caller was put through to somebody, who did not take the call.
    """
    if is_back:
        return BACK
    return CONTINUED if is_known else CONTINUED_BLINDLY
