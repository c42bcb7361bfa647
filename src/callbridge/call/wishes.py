"""What the agent wants done to the call once its words were heard, and what is to follow the end of a stream.

A wish is a value with a payload: whoever answers Twilio's question what follows reads it in `StreamEnded`.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec


class HangUp(msgspec.Struct, frozen=True, tag_field="do", tag="hang_up"):
    """All was said, or the caller is gone."""


class SayGoodbye(msgspec.Struct, frozen=True, tag_field="do", tag="say_goodbye"):
    """The call is to end, and the agent could not say so: Twilio's voice does, and hangs up."""


class Resume(msgspec.Struct, frozen=True, tag_field="do", tag="resume"):
    """Another stream, whose agent is told what was said before."""


class FallBack(msgspec.Struct, frozen=True, tag_field="do", tag="fall_back"):
    """The agent cannot serve: the first step of the fallback."""


class Transfer(msgspec.Struct, frozen=True, tag_field="do", tag="transfer"):
    """The caller is to be put through to a person. Whoever makes one has found out where to: no model has."""

    name: str
    """Of the destination, as its agent calls it: what is told, logged and counted."""
    address: str
    """`+14155550100`, `sip:sales@pbx.example.com`, or `client:anna`."""
    ring_s: int = 20
    """How long it rings."""
    extension: str = ""
    """Keys that are pressed for the caller once somebody has answered: digits, `*`, `#`, `w` for half a
    second's wait. For telephone numbers only."""
    shows: Literal["caller", "line"] = "caller"
    """Whose number the person sees: the caller's, or that which was called."""
    is_asked: bool = False
    """Whoever answers hears `briefing`, and has to press a key to take the call. So a mailbox is none."""
    is_warm: bool = False
    """They are asked while the caller stays, and hears a hold sound. Implies `is_asked`."""
    briefing: str = ""
    """What the person hears before they take the call."""
    language: str = ""
    """In which language they hear it; empty for that of the settings."""
    reason: str = ""
    """Why, in the agent's words."""


class PutThrough(msgspec.Struct, frozen=True, tag_field="do", tag="put_through"):
    """A person is rung for the caller: `TransferAsked` of this name says who, and how."""

    transfer_id: str
    name: str = ""
    """Of the destination: what is left of it when the words of a long call are dropped."""


Wish: TypeAlias = HangUp | Transfer
"""What an agent may want. A caller who speaks before it is done withdraws it."""

Following: TypeAlias = HangUp | SayGoodbye | Resume | FallBack | PutThrough
"""What may follow the end of a stream."""
