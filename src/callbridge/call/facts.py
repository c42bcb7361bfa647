"""What happened in a call, with place and time: logs, records, metrics and pages read nothing else.

A fact is storable as it is: `encode` and `decode` are each other's inverse. It is found again by its CallSid,
its source and its number within that source, so that two processes never clash.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, TypeAlias

import msgspec

from callbridge.call.agent_facts import (
    AttemptFailed,
    CalledBefore,
    CallerTexted,
    Captured,
    CaptureDelivered,
    FieldKept,
    FieldRefused,
    StepEntered,
    ValuesSet,
)
from callbridge.call.fact_base import BaseFact
from callbridge.call.memory import Told, ToolAnswered, ToolStarted
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.rating import CallerWordsRated
from callbridge.call.telephone_facts import TelephoneFact
from callbridge.call.usage import Usage
from callbridge.call.wishes import FallBack, Following


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
    REJECTED_AUTH = "rejected_auth"
    REJECTED_PROTOCOL = "rejected_protocol"
    SERVICE_STOPPED = "service_stopped"
    INTERNAL_ERROR = "internal_error"

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
        EndReason.TRANSFERRED,
    }
)

HTTP: Final = "http"
"""The source of what webhooks learn."""


# --- From the machine ---------------------------------------------------------------------------------


class StreamStarted(BaseFact, frozen=True):
    """Twilio's stream began and was admitted."""

    caller: str
    called: str
    is_continued: bool = False
    """An earlier stream of the same call broke off, or was handed over."""
    agent: str = ""
    """Who answers, by the name under which the webhook chose them."""


class AgentReady(BaseFact, frozen=True):
    """The model confirmed the first session of a stream."""

    model: str
    after_ms: int
    """From the admitted start to the confirmed session."""
    held_ms: int
    """Caller audio held meanwhile."""
    has_transcription: bool


class ModelTrouble(BaseFact, frozen=True):
    """A session could not be had, or was lost. The call goes on, unless its end follows."""

    doing: str
    """What was being done: `dial`, `configure` or `call`."""
    why: str
    status: int | None
    code: str | None
    is_fatal: bool
    """No second try can mend it: somebody must look at account or configuration."""
    is_rate_limit: bool
    model: str = ""
    is_configuration: bool = False
    """The server refused what this agent's configuration asks for: it says nothing of the model."""
    lacks_descriptors: bool = False
    """This process could open no socket: that says nothing of the model either."""


class SessionReplaced(BaseFact, frozen=True):
    """The call goes on with another session of the model, which was told what was said before."""

    cause: str
    """`lost`, or `renewed` before the old one would have expired."""
    after_ms: int
    """From the loss to the new session; for a renewal, how long the caller's audio waited."""
    items: int
    """What it was told, in conversation items."""
    model: str = ""


class ClipPlayed(BaseFact, frozen=True):
    """The caller heard "one moment, please", because the agent had nothing to say yet."""

    why: str
    """What the caller waits for."""


class Remembered(BaseFact, frozen=True):
    """A tool begins, or has answered, or the model was told something: kept at once.

    So that after a crash nothing is done twice. That a tool begins is on disk before it does.
    """

    entry: ToolStarted | ToolAnswered | Told


class Interrupted(BaseFact, frozen=True):
    """The caller spoke, or pressed a key, while agent audio was unheard."""

    truncated: tuple[tuple[str, int], ...]
    """Items cut, each with the milliseconds that were heard of it."""
    deleted: tuple[str, ...]
    """Items of which nothing was heard."""
    unheard_ms: int
    """Agent audio thrown away."""


class CallerSpoke(BaseFact, frozen=True):
    """An utterance of the caller is over."""

    turn: int
    loud_ms: int
    is_clear: bool = True
    """It was more than a cough. A short one, like a "yes", is told of again once its words came."""


class KeysPressed(BaseFact, frozen=True):
    """The caller has pressed keys, and is done with them."""

    keys: str
    turn: int
    is_menu: bool = False
    """One key that the agent has a use for: the model is not told of it."""


class ItemHeard(BaseFact, frozen=True):
    """The caller has heard an item of the agent to its end, of a response that began behind so many tools."""

    item_id: str
    behind_tools: int = 0


class Said(BaseFact, frozen=True):
    """Words that the agent was to say are said, or were cut."""

    say_id: str
    heard_percent: int


class SessionAmended(BaseFact, frozen=True):
    """The session has other instructions and tools, or the model has refused them."""

    amendment_id: str
    is_confirmed: bool


class ToolUsed(BaseFact, frozen=True):
    """The model asked for a tool, and was answered."""

    name: str
    duration_ms: int
    output_size: int
    outcome: ToolOutcome = ToolOutcome.ANSWERED


class TurnEnded(BaseFact, frozen=True):
    """One utterance of the caller and the agent's answer to it. The greeting has no utterance."""

    turn: int
    caller: str | None
    """What the caller said, when a transcript came. `CallerWordsCame` says what came later."""
    agent: str
    """What the caller heard of the answer: cut in proportion when the answer was interrupted."""
    response_ms: int | None
    """From the caller's end of speech to the first audio sent to the phone."""
    interrupted: bool
    awaits: tuple[str, ...] = ()
    """Items of the caller whose words are still to come."""


class CallerWordsCame(BaseFact, frozen=True):
    """Words of the caller came after the record of their turn, and belong there."""

    turn: int
    caller: str
    """All that the caller said in that turn, as far as it is known now."""
    item_id: str
    """What the turn's record awaited. The turn may be one of an earlier stream that has left its session."""


class Billed(BaseFact, frozen=True):
    """A response was paid for."""

    usage: Usage
    """Of the whole stream so far."""
    cost_microdollars: int
    """What was added to the bill; 0 where no price is known."""


class StreamEnded(BaseFact, frozen=True):
    """A stream is over: the one record that answers what a person would ask of it."""

    reason: EndReason
    detail: str = ""
    follows: Following = FallBack()
    """What Twilio is to be told when it asks what follows."""
    is_admitted: bool = False
    """Whether it had become a call: before that, nothing that it says of itself is proven."""
    duration_ms: int = 0
    turns: int = 0
    interruptions: int = 0
    tools_used: int = 0
    tools_failed: int = 0
    """Those of them that ended otherwise than with an answer."""
    frames_from_phone: int = 0
    frames_to_model: int = 0
    frames_dropped: int = 0
    frames_to_phone: int = 0
    audio_to_phone_ms: int = 0
    deltas_dropped: int = 0
    usage: Usage = Usage()
    first_audio_ms: int | None = None
    """From the admitted start to the first agent audio sent."""
    response_ms_p50: int | None = None
    response_ms_max: int | None = None
    errors: int = 0


class CallClosed(BaseFact, frozen=True):
    """The last fact of a stream: nothing of it is left in the process, no task, no socket, no timer."""

    after_ms: int
    """From the end of the stream."""


class Noted(BaseFact, frozen=True):
    """Something that a reader of the log needs to rebuild the call."""

    event: str
    fields: tuple[tuple[str, str | int | float | bool | None], ...] = ()
    is_warning: bool = False


# --- From the relay, when it is asked to write down what passes by the machine --------------------------


class AudioSent(BaseFact, frozen=True):
    """Agent audio left for the phone: without it a stored call cannot be played again."""

    item_id: str
    byte_count: int


class CallerLoud(BaseFact, frozen=True):
    """The caller became loud, or quiet again."""

    is_loud: bool


# --- From the webhooks --------------------------------------------------------------------------------


class Promise(msgspec.Struct, frozen=True):
    """A stream that Twilio was told to open. By it any process makes the same document again."""

    stream: int
    """1, 2, 3, … within the call."""
    agent: str
    """Who is to answer."""
    nonce: str
    """Of its token, in hexadecimal digits. It says nothing of the rest of the token."""
    expires_at: int
    """Until when the token is good, in Unix seconds."""


class CallOffered(BaseFact, frozen=True):
    """Twilio asked what to do with a call."""

    caller: str
    called: str
    declined: str = ""
    """Why it was not taken; empty when it was."""
    agent: str = ""
    leads_back: bool = False
    """The human of the fallback has forwarded it here, or called: they are not rung for it."""
    promise: Promise | None = None
    """What Twilio was told to open; nothing for a call that was not taken."""


class StreamAsked(BaseFact, frozen=True):
    """Twilio asked what follows a stream."""

    follows: str
    """What it was told, as `switchboard.continuation` names it. `moved`: the stream was stopped, and not by
    the caller, who is still there: somebody sent the call elsewhere."""
    ended: EndReason | None = None
    """How the stream ended, as far as that was written down."""
    stream: int = 0
    """Which one: 1, 2, 3, … within the call."""
    held: int = 0
    """How often the caller was told to wait before."""
    transfer: str = ""
    """The transfer that has ended behind it, if there was one."""
    rounds: int = 0
    """How long a caller waits who is told to, in rounds of words and a pause; 0 is a moment of silence."""
    promise: Promise | None = None
    """What Twilio was told to open."""


class CallDescribed(BaseFact, frozen=True):
    """What the webhook learnt of a call beside its numbers, for its agent. Kept for as long as its words."""

    caller_name: str = ""
    """`CallerName`, where Twilio was asked to look it up."""
    attestation: str = ""
    """How far the carrier vouches for the number (STIR/SHAKEN): `A`, `B`, `C`, or nothing."""
    parameters: tuple[tuple[str, str], ...] = ()
    """The query of the number's voice URL, and headers of a SIP call."""


class StreamReported(BaseFact, frozen=True):
    """What Twilio saw of a stream; the only news of one that never reached us."""

    status: str
    error: str = ""
    stream_sid: str = ""


class CallReported(BaseFact, frozen=True):
    """How Twilio saw the call go on."""

    status: str
    duration_s: str = ""
    """As Twilio writes it; empty before the call is over."""


class MenuAnswered(BaseFact, frozen=True):
    """The caller has heard the menu of the fallback."""

    round: str
    """Which time, as `switchboard.fallback_menu` names it."""
    keys: str = ""
    """What they pressed; nothing when they pressed nothing."""


class FallbackDialed(BaseFact, frozen=True):
    """A human was rung because the agent could not answer."""

    status: str
    bridged: str = ""
    """Whether the two were connected, as Twilio says it: `true`, `false`, or nothing."""


class VoicemailLeft(BaseFact, frozen=True):
    """The caller's message was recorded, or their silence. Older records hold its address, too, as `url`."""

    recording_sid: str = ""
    """Twilio's name of the recording. It is fetched with the account's own key."""
    duration_s: str = ""
    status: str = ""
    """`left`, `silent`, or what Twilio says of the recording: `completed`, `absent`, …"""


class CallOver(BaseFact, frozen=True):
    """Twilio has said, or was told, that no stream of this call will come any more."""


Fact: TypeAlias = (
    StreamStarted
    | AgentReady
    | ModelTrouble
    | SessionReplaced
    | ClipPlayed
    | Remembered
    | Interrupted
    | CallerSpoke
    | KeysPressed
    | ItemHeard
    | Said
    | SessionAmended
    | ToolUsed
    | TurnEnded
    | CallerWordsCame
    | CallerWordsRated
    | Billed
    | StreamEnded
    | CallClosed
    | Noted
    | AudioSent
    | CallerLoud
    | CallOffered
    | CallDescribed
    | StreamAsked
    | StreamReported
    | CallReported
    | MenuAnswered
    | FallbackDialed
    | VoicemailLeft
    | CallOver
    | ValuesSet
    | StepEntered
    | AttemptFailed
    | FieldKept
    | FieldRefused
    | Captured
    | CaptureDelivered
    | CalledBefore
    | CallerTexted
    | TelephoneFact
)

encode: Final = msgspec.json.Encoder().encode
"""A fact as JSON text."""
decode: Final[Callable[[bytes], Fact]] = msgspec.json.Decoder(Fact).decode
"""The fact that `encode` made this text of. Raises msgspec.DecodeError for any other text."""


def for_the_state(fact: Fact) -> Fact:
    """The fact without what nobody who goes on with the call asks for: telephones, and texts of peers."""
    match fact:
        case StreamStarted() | CallOffered():
            return msgspec.structs.replace(fact, caller="", called="")
        case StreamEnded():
            return msgspec.structs.replace(fact, detail="")
        case _:
            return fact


def noted(event: str, **fields: str | float | bool | None) -> Noted:
    """A note for the log, for information."""
    return Noted(event, tuple(fields.items()))


def warned(event: str, **fields: str | float | bool | None) -> Noted:
    """A note for the log that somebody should look into."""
    return Noted(event, tuple(fields.items()), is_warning=True)
