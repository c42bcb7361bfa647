"""What the agent wants done to the call once its words were heard, and what is to follow the end of a stream.

A wish is a value with a payload: whoever answers Twilio's question what follows reads it in `StreamEnded`.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class HangUp(msgspec.Struct, frozen=True, tag_field="do", tag="hang_up"):
    """All was said, or the caller is gone."""


class SayGoodbye(msgspec.Struct, frozen=True, tag_field="do", tag="say_goodbye"):
    """The call is to end, and the agent could not say so: Twilio's voice does, and hangs up."""


class Resume(msgspec.Struct, frozen=True, tag_field="do", tag="resume"):
    """Another stream, whose agent is told what was said before."""


class FallBack(msgspec.Struct, frozen=True, tag_field="do", tag="fall_back"):
    """The agent cannot serve: the first step of the fallback."""


Wish: TypeAlias = HangUp
"""What an agent may want. A caller who speaks before it is done withdraws it."""

Following: TypeAlias = HangUp | SayGoodbye | Resume | FallBack
"""What may follow the end of a stream."""
