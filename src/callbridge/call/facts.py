"""What happened in a call, with place and time: logs, records, metrics and pages read nothing else.

A fact is storable as it is: `encode` and `decode` are each other's inverse. It is found again by its CallSid,
its source and its number within that source, so that two processes never clash.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from callbridge.call.agent_facts import (
    AgentChanged,
    AttemptFailed,
    CalledBefore,
    CallerTexted,
    Captured,
    CaptureDelivered,
    FieldKept,
    FieldRefused,
    GuestChanged,
    McpToolsChanged,
    StepEntered,
    ValuesSet,
)
from callbridge.call.bill_facts import Billed
from callbridge.call.end_reasons import EndReason
from callbridge.call.fact_base import BaseFact
from callbridge.call.lived import Answer, SaidItem, Speech
from callbridge.call.memory import Told, ToolAnswered, ToolStarted
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.rating import CallerWordsRated
from callbridge.call.record_facts import CallAnalysed, NotKept, ProcessLost
from callbridge.call.recording_facts import ConsentGiven, RecordingFact
from callbridge.call.telephone_facts import TelephoneFact
from callbridge.call.usage import Usage
from callbridge.call.webhook_facts import (
    CallDescribed,
    CallOffered,
    CallOver,
    CallReported,
    FallbackDialed,
    MenuAnswered,
    Promise,
    StreamAsked,
    StreamReported,
    VoicemailLeft,
)
from callbridge.call.wishes import FallBack, Following

__all__ = [
    "Billed",
    "CallDescribed",
    "CallOffered",
    "CallOver",
    "CallReported",
    "EndReason",
    "FallbackDialed",
    "MenuAnswered",
    "NotKept",
    "ProcessLost",
    "Promise",
    "StreamAsked",
    "StreamReported",
    "VoicemailLeft",
]
"""What others defined, and everybody finds here."""

HTTP: Final = "http"
"""The source of what webhooks learn. In the records the name of the process stands behind it."""


# --- From the machine ---------------------------------------------------------------------------------


class StreamStarted(BaseFact, frozen=True):
    """Twilio's stream began and was admitted."""

    caller: str
    called: str
    is_continued: bool = False
    """An earlier stream of the same call broke off, or was handed over."""
    agent: str = ""
    """Who answers, by the name under which the webhook chose them."""
    caller_key: str = ""
    """The same for all calls of one caller, and no number. Filled in where facts are kept."""


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
    after_ms: int | None = None
    """From the caller's first sound, as the model told of it, to the clear; None for a key."""


class GuardrailTripped(BaseFact, frozen=True):
    """A guardrail did not want what the agent was saying to be heard."""

    guardrail: str
    item_id: str
    was_cut: bool
    """It was stopped. False: it was too late, all was heard or the caller had interrupted before."""
    heard_ms: int
    """How much of the item the caller had heard."""
    withheld_ms: int
    """How much more of it had left for the phone, and was not heard."""
    heard_characters: int
    withheld_characters: int
    """How much more of its text was known."""

    @property
    def counts(self) -> bool:
        """Whether it has stopped anything, or the caller has heard all of it; not where they interrupted."""
        return self.was_cut or (self.heard_characters > 0 and not self.withheld_characters)


class CallerSpoke(BaseFact, frozen=True):
    """An utterance of the caller is over."""

    turn: int
    loud_ms: int
    is_clear: bool = True
    """It was more than a cough. A short one, like a "yes", is told of again once its words came."""
    speech: Speech | None = None
    """When, on the line."""
    record: int = 0
    """The turn of the record that it belongs to (`TurnEnded.turn`); 0 in older facts."""


class KeysPressed(BaseFact, frozen=True):
    """The caller has pressed keys, and is done with them."""

    keys: str
    turn: int
    is_menu: bool = False
    """One key that the agent has a use for: the model is not told of it."""
    record: int = 0
    """The turn of the record that they belong to (`TurnEnded.turn`); 0 in older facts."""


class ItemHeard(BaseFact, frozen=True):
    """The caller has heard an item of the agent to its end, of a response that began behind so many tools."""

    item_id: str
    behind_tools: int = 0
    sent_ms: int = 0
    began_ms: int | None = None
    """When the caller began to hear it."""
    ended_ms: int | None = None


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
    call_id: str = ""
    """As the model asked for it; empty in older facts."""
    turn: int = 0
    """In which turn of the record."""


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
    speech: tuple[Speech, ...] = ()
    """When the caller spoke, on the line."""
    items: tuple[SaidItem, ...] = ()
    """What the agent said, in order; nothing in older facts."""
    answer: Answer | None = None
    """How the first audio of the answer came to be; None where there was none."""


class CallerWordsCame(BaseFact, frozen=True):
    """Words of the caller came after the record of their turn, and belong there."""

    turn: int
    caller: str
    """All that the caller said in that turn, as far as it is known now."""
    item_id: str
    """What the turn's record awaited. The turn may be one of an earlier stream that has left its session."""


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
    silence_ms_max: int | None = None
    """The longest time in which the caller waited for the agent and heard nothing; None in older facts."""


class CallClosed(BaseFact, frozen=True):
    """The last fact of a stream: nothing of it is left in the process, no task, no socket, no timer."""

    after_ms: int
    """From the end of the stream."""


class Noted(BaseFact, frozen=True):
    """Something that a reader of the log needs to rebuild the call."""

    event: str
    fields: tuple[tuple[str, str | int | float | bool | None], ...] = ()
    is_warning: bool = False


Fact: TypeAlias = (
    StreamStarted
    | AgentReady
    | ModelTrouble
    | SessionReplaced
    | ClipPlayed
    | Remembered
    | Interrupted
    | GuardrailTripped
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
    | NotKept
    | Noted
    | CallOffered
    | CallDescribed
    | StreamAsked
    | StreamReported
    | CallReported
    | MenuAnswered
    | FallbackDialed
    | VoicemailLeft
    | CallOver
    | ProcessLost
    | CallAnalysed
    | ValuesSet
    | StepEntered
    | GuestChanged
    | AttemptFailed
    | AgentChanged
    | FieldKept
    | FieldRefused
    | Captured
    | CaptureDelivered
    | CalledBefore
    | CallerTexted
    | McpToolsChanged
    | TelephoneFact
    | RecordingFact
)

encode: Final = msgspec.json.Encoder().encode
"""A fact as JSON text."""
decode: Final[Callable[[bytes], Fact]] = msgspec.json.Decoder(Fact).decode
"""The fact that `encode` made this text of. Raises msgspec.DecodeError for any other text."""


def for_the_state(fact: Fact) -> Fact:
    """The fact without what nobody who goes on with the call asks for: telephones, texts of peers, times."""
    match fact:
        case StreamStarted() | CallOffered():
            return msgspec.structs.replace(fact, caller="", called="")
        case StreamEnded():
            return msgspec.structs.replace(fact, detail="")
        case TurnEnded():  # Its times are for records.
            return msgspec.structs.replace(fact, speech=(), items=(), answer=None)
        case ConsentGiven():
            return msgspec.structs.replace(fact, announcement="")
        case _:
            return fact


def noted(event: str, **fields: str | float | bool | None) -> Noted:
    """A note for the log, for information."""
    return Noted(event, tuple(fields.items()))


def warned(event: str, **fields: str | float | bool | None) -> Noted:
    """A note for the log that somebody should look into."""
    return Noted(event, tuple(fields.items()), is_warning=True)
