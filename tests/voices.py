"""A voice model as small as it can be: what it is told, what it says, what it refuses. The turns' judge.

Written from the vendor's documentation, not from our machine. It keeps spoken items, cuts and deletes them
when told, refuses what the real one refuses, answers the caller by itself, and remembers whether anybody
still waits for an answer. Commands and events lie in two queues: a test decides what crosses on the wire.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import vocabulary as v
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt

GOODBYE = "the call ends"
"""A tool's result that needs no answer."""


@dataclass
class Spoken:
    """A spoken item: what the model remembers of it."""

    made_ms: int = 0
    kept_ms: int | None = None
    """Where a truncation cut it."""
    is_deleted: bool = False

    @property
    def remembered_ms(self) -> int:
        """What the model believes to have said."""
        if self.is_deleted:
            return 0
        return self.made_ms if self.kept_ms is None else self.kept_ms


@dataclass
class Response:
    """The response in progress."""

    id: str
    answers: str | None
    """What waited for an answer when it began. Who was told what to say answers nothing."""
    items: int = 0
    item_id: str | None = None
    """The item in hand."""
    calls: int = 0
    made_ms: int = 0
    """Its audio."""


def spoken_words(item_id: str) -> str:
    """What an item says: four words that tell which item and which place they are of."""
    return " ".join(f"{item_id}:{place}" for place in range(1, 5))


@dataclass
class VoiceModel:
    """One session. Its set-up: it greets, confirms each configuration, and takes what it is told before."""

    interrupts: bool = True
    name: str = ""
    """Stands before all its ids: no two sessions have the same."""
    names_asks: bool = True
    """Whether a response says which ask it answers, as the documents promise."""
    answers_by_itself: bool = True
    """Whether it was configured to answer the caller; before that it is told what was said."""
    events: deque[rt.Parsed] = field(default_factory=deque)
    """What it said and we have not read."""
    commands: deque[commands.AnyCommand] = field(default_factory=deque)
    """What we said and it has not read."""
    spoken: dict[str, Spoken] = field(default_factory=dict)
    active: Response | None = None
    hears_caller: bool = False
    has_missed_words: bool = False
    """The caller has spoken, and it has taken that for a noise."""
    unanswered: str | None = None
    """The latest item that nobody has answered with a sound, or a tool."""
    passed_over: set[str] = field(default_factory=set)
    """Items that a response has answered with nothing at all, or failed to."""
    missed: set[str] = field(default_factory=set)
    """Utterances that it was told of, and had not noticed."""
    told: dict[str, str] = field(default_factory=dict)
    """What each response of the call was told to say, if anything."""
    asks: dict[str, str] = field(default_factory=dict)
    """Which ask of ours each response answers; those of its own making are not in it."""
    refusals: list[str] = field(default_factory=list)
    """The codes of all errors that answered a command of ours."""
    responses: int = 0
    utterances: int = 0

    @classmethod
    def dialled(cls, name: str, *, interrupts: bool, names_asks: bool = True) -> VoiceModel:
        """A session whose socket has just been opened."""
        session = cls(interrupts, name, names_asks, answers_by_itself=False)
        session.events.append(v.SESSION_CREATED)
        return session

    # What it is told.

    @property
    def has_unread_question(self) -> bool:
        """Whether an item lies unread that somebody waits for; what it is being retold is none."""
        may_answer = self.answers_by_itself
        for command in self.commands:
            match command:
                case commands.UpdateSession(session=session):
                    may_answer = session.audio.input.turn_detection.create_response
                case commands.CreateItem(item=ours) if may_answer and _is_question(ours):
                    return True
                case _:
                    pass
        return False

    def read(self) -> None:
        """Reads one command."""
        match self.commands.popleft():
            case commands.CreateResponse(event_id=event_id, response=options):
                self._begin(event_id, (options and options.instructions) or "")
            case commands.CancelResponse(event_id=event_id, response_id=response_id):
                if self.active is None or self.active.id != response_id:
                    self._refuse("response_cancel_not_active", event_id)
                else:
                    self.end("cancelled", reason="client_cancelled")
            case commands.CreateItem(item=ours):
                if self.answers_by_itself and _is_question(ours):
                    self.unanswered = ours.id
                self.events.append(v.item_added(ours.id))
            case commands.UpdateSession(session=session):
                detection = session.audio.input.turn_detection
                self.answers_by_itself = detection.create_response
                self.interrupts = detection.interrupt_response
                self.events.append(v.SESSION_UPDATED)
            case commands.TruncateItem(event_id=event_id, item_id=item_id, audio_end_ms=audio_end_ms):
                self._truncate(item_id, audio_end_ms, event_id)
            case commands.DeleteItem(event_id=event_id, item_id=item_id):
                if item_id not in self.spoken or self.spoken[item_id].is_deleted:
                    self._refuse("item_not_found", event_id)
                else:
                    self.spoken[item_id].is_deleted = True
            case commands.CommitInput(event_id=event_id):
                self._commit(event_id)
            case other:
                raise AssertionError(f"{other} in mid-call")

    def _commit(self, event_id: str | None) -> None:
        """The turn is over, and nobody answers it by themselves. Who speaks on is heard anew."""
        speaks_on, is_missed = self.hears_caller, self.has_missed_words
        if not speaks_on and not is_missed:
            self._refuse("input_audio_buffer_commit_empty", event_id)
            return
        if not speaks_on:
            self.utterances += 1
        self.hears_caller = self.has_missed_words = False
        self.unanswered = item_id = f"{self.name}user_{self.utterances}"
        self.events.extend((v.committed(item_id), v.item_added(item_id)))
        if speaks_on:
            self.caller_begins()
        else:
            self.missed.add(item_id)

    def _truncate(self, item_id: str, audio_end_ms: int, event_id: str | None) -> None:
        spoken = self.spoken.get(item_id)
        if spoken is None or spoken.is_deleted:
            self._refuse("item_truncate_invalid_item_id", event_id)
        elif not 0 < audio_end_ms <= spoken.remembered_ms:
            self._refuse("invalid_value", event_id)
        else:
            spoken.kept_ms = audio_end_ms

    def _begin(self, event_id: str | None, words: str = "") -> None:
        if self.active is not None:
            self._refuse("conversation_already_has_active_response", event_id)
            return
        self.responses += 1
        self.active = Response(f"{self.name}resp_{self.responses}", None if words else self.unanswered)
        self.told[self.active.id] = words
        if event_id is not None:
            self.asks[self.active.id] = event_id
        self.events.append(v.created(self.active.id, event_id if self.names_asks else None))

    def _refuse(self, code: str, event_id: str | None) -> None:
        self.refusals.append(code)
        self.events.append(v.error(code, answers=event_id))

    # What it hears.

    def caller_begins(self, late_ms: int = 0) -> None:
        """The caller speaks. An interrupted response may still say `late_ms` that were on their way."""
        self.hears_caller, self.has_missed_words = True, False
        self.utterances += 1
        self.events.append(v.speech_started(f"{self.name}user_{self.utterances}"))
        if self.active is not None and self.interrupts:
            if late_ms:
                self.speak(late_ms)
            self.end("cancelled", reason="turn_detected")

    def caller_ends(self) -> None:
        """The caller's turn is an item, and the model answers it, unless it is answering already."""
        self.hears_caller = False
        self.unanswered = item_id = f"{self.name}user_{self.utterances}"
        self.events.extend((v.speech_stopped(item_id), v.committed(item_id), v.item_added(item_id)))
        self._begin(None)

    # What it says.

    def begin_item(self) -> None:
        """Another spoken item."""
        assert self.active is not None
        self._end_item()
        self.active.items += 1
        self.active.item_id = f"{self.active.id}_item_{self.active.items}"
        self.spoken[self.active.item_id] = Spoken()
        self.events.append(v.item(self.active.id, self.active.item_id))

    def speak(self, duration_ms: int) -> None:
        """A piece of audio."""
        assert self.active is not None
        if self.active.item_id is None:
            self.begin_item()
        assert self.active.item_id is not None
        self.spoken[self.active.item_id].made_ms += duration_ms
        self.active.made_ms += duration_ms
        self.events.append(v.audio(self.active.id, self.active.item_id, duration_ms))

    def call(self, name: str) -> None:
        """A function call, whole."""
        assert self.active is not None
        self._end_item()
        self.active.calls += 1
        self.events.append(v.tool_call(self.active.id, f"call_{self.active.id}_{self.active.calls}", name))

    def end(self, status: str, *, code: str | None = None, reason: str | None = None) -> None:
        """The response is over."""
        assert self.active is not None
        self._end_item()
        response, self.active = self.active, None
        self.events.append(v.done(response.id, status, code=code, reason=reason))
        if status == "cancelled" or self.unanswered is None or self.unanswered != response.answers:
            return
        if not (response.made_ms or response.calls):
            self.passed_over.add(self.unanswered)
        elif status != "failed":
            self.unanswered = None

    def _end_item(self) -> None:
        assert self.active is not None
        if self.active.item_id is not None:
            self.events.append(v.audio_done(self.active.id, self.active.item_id))
            if self.spoken[self.active.item_id].made_ms:  # Text is of what was said.
                text = spoken_words(self.active.item_id)
                self.events.append(v.words(self.active.id, self.active.item_id, text))
            self.active.item_id = None


def _is_question(ours: commands.AnyItem) -> bool:
    """Whether somebody waits for an answer to it, once the session may answer at all."""
    is_call = isinstance(ours, commands.FunctionCall)
    return not is_call and getattr(ours, "output", None) != GOODBYE and not _is_note(ours)


def _is_note(ours: commands.AnyItem) -> bool:
    return isinstance(ours, commands.Message) and ours.role == "system"
