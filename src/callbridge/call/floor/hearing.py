"""Whether the session hears the caller, and is there at all: what it says of itself proves neither.

The caller's loudness on the line and the clock are the witnesses. When they disagree with the model, it is
asked: `input_audio_buffer.commit` makes a turn of what the caller has said, `response.create` an answer.
A session that says anything to that is alive, and stays; if it was about a street, it is not asked again for
30 s. One that says nothing is replaced, and the next one gets what the caller said.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from callbridge.call.ear.loudness import STRETCH_GAP
from callbridge.call.events import CallerIsLoud, CallerWasLoud, SessionFailed
from callbridge.call.facts import warned
from callbridge.call.floor.table import Caller, Next, Now
from callbridge.call.phases import Timer
from callbridge.call.sessions.trouble import Trouble
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events
from callbridge.wire.audio import FRAME_MS

if TYPE_CHECKING:
    from callbridge.call.ear.playout import Playout
    from callbridge.call.ear.tally import Tally
    from callbridge.call.floor.asking import Asking
    from callbridge.call.floor.floor import Floor
    from callbridge.call.outbox import Outbox
    from callbridge.call.sessions.sessions import Sessions

_ECHO_S: Final = 0.5
"""The way to the phone and back: so long after its end the agent's voice may still be on the line."""


class Hearing:
    """Asks the present session whether it hears the caller, when the line or the clock contradicts it.

    Args:
        floor: says what the model says of the caller.
        asking: asks for answers.
        sessions: says whether there is a session that can be asked.
        tally: what the relay heard of both sides, and when.
        playout: says whether the agent is to be heard: the line may bring that back.
        out: where actions and consequences go.
    """

    def __init__(
        self,
        floor: Floor,
        asking: Asking,
        sessions: Sessions,
        *,
        tally: Tally,
        playout: Playout,
        out: Outbox,
    ) -> None:
        self._floor, self._asking, self._sessions = floor, asking, sessions
        self._tally, self._playout, self._out = tally, playout, out
        self._limits = sessions.plan.limits
        self.told = 0
        """How many commands the model had been sent when this was last looked at."""
        self.commanded_at = -math.inf
        """When the first command was sent since the model last said anything."""
        self._asked_at = -math.inf
        """When a sign of life was asked for."""
        self._loud_at = -math.inf
        """When it was asked because the caller was louder than it said."""
        self._unheard_turn: int | None = None
        """The caller's turn while it is asked what it has not heard of them, if it is."""
        self._unheard_at = -math.inf
        """When they stopped."""
        self._unheard_item = ""
        """The item that came of it, once it has."""
        self._is_asked_about = False
        """And an answer was asked for. Otherwise its words say whether one is due."""
        self._long_utterances = 0
        """Utterances without an end, in the present session."""

    def session_stands(self) -> None:
        """There is another session, of which nothing is known."""
        self.commanded_at = self._asked_at = self._loud_at = -math.inf
        self._long_utterances, self._unheard_turn = 0, None

    # --- The caller is louder than the model says ---

    def caller_is_loud(self, event: CallerIsLoud, now: float) -> None:
        """The line says that the caller speaks, and the model does not.

        Not while the agent is to be heard: telephones bring its voice back. Not while an answer is due: that
        has a limit of its own.
        """
        if not self._is_explained(now, since=now - _ECHO_S):
            self._ask_about(now)

    def caller_was_loud(self, event: CallerWasLoud, now: float) -> None:
        """They have said something short, and the model has not noticed.

        Or it was a door, a dog, talk in the next room: its words will say, where it is transcribed.
        """
        stopped_at = now - STRETCH_GAP * FRAME_MS / 1000
        began_at = stopped_at - event.loud_ms / 1000
        if event.loud_ms < self._limits.cough_ms or self._is_explained(now, since=began_at):
            return
        if self._sessions.plan.has_transcription:
            self._commit_unheard(stopped_at, now, is_asked_about=False)
        else:
            self._ask_about(now)

    def input_committed(self, event: realtime_events.InputCommitted, now: float) -> None:
        """What the caller said has an item."""
        if self._unheard_turn == self._floor.turn and not self._unheard_item:
            self._unheard_item = event.item_id
            if not self._is_asked_about:
                return
        self._floor.input_committed(event, now)

    def caller_transcribed(self, event: realtime_events.CallerTranscript, now: float) -> None:
        """The words of what the caller said, also of what the model has not noticed."""
        is_unheard = self._unheard_turn == self._floor.turn and self._unheard_item == event.item_id
        has_words = event.transcript is None or bool(event.transcript.strip())
        if is_unheard:
            self._unheard_turn = None
            if has_words:
                self._loud_at = -math.inf  # It was no street: what they say next may be unheard as well.
        if not is_unheard or self._is_asked_about:
            self._floor.caller_transcribed(event, now)
            self._asking.if_free(now)  # An answer may be owed to what was taken for a cough.
        elif has_words:
            self._answer_unheard(event, now)

    def _answer_unheard(self, words: realtime_events.CallerTranscript, now: float) -> None:
        floor = self._floor
        floor.speech_unseen(now)
        floor.input_committed(realtime_events.InputCommitted(item_id=words.item_id), now)
        floor.caller_transcribed(words, now)
        floor.debts.owe_answer(self._unheard_at)
        self._asking.if_free(now)

    def _is_explained(self, now: float, since: float) -> bool:
        """Whether the line may be loud without the model having missed anything."""
        floor = self._floor
        # Keys are loud, too, and told in a moment.
        is_due = floor.is_answering or bool(floor.debts) or bool(floor.keys.pressed)
        is_busy = floor.caller is Caller.SPEAKING or is_due
        is_echo = since < self._playout.quiet_at
        return is_busy or is_echo or now < self._loud_at + self._limits.loud_again_after_s

    def _ask_about(self, now: float) -> None:
        self._floor.speech_unseen(now)
        self._commit_unheard(now, now, is_asked_about=True)
        self._asking.for_sign(now)

    def _commit_unheard(self, stopped_at: float, now: float, *, is_asked_about: bool) -> None:
        self._loud_at = now
        self._note("the caller is loud, and no speech was detected")
        self._await_unheard(stopped_at, is_asked_about=is_asked_about)
        self._commit(now)

    def _await_unheard(self, stopped_at: float, *, is_asked_about: bool) -> None:
        """A commit may make an item of what the model has not heard as speech."""
        self._unheard_at, self._is_asked_about = stopped_at, is_asked_about
        self._unheard_turn, self._unheard_item = self._floor.turn, ""

    def _utterance_too_long(self, now: float) -> None:
        """The model says that the caller speaks, and goes on saying so: a street, a television, music."""
        self._long_utterances += 1
        if self._long_utterances > 1 and self._sessions.may_replace(now):
            self._out.then(SessionFailed(Trouble("the model hears no end of the caller's speech")))
            return
        self._note(f"no end of the caller's speech for {self._limits.utterance_max_s:g} s")
        self._floor.utterance_ends(now)
        self._answer(now)

    def _answer(self, now: float) -> None:
        """The model has not noticed that the caller stopped: it is told, and asked."""
        # What a commit does in the middle of detected speech is not documented. If the server answers by
        # itself after all, one of the two answers is refused as the second one.
        self._commit(now)
        self._asking.promise_broken(now)

    # --- Signs of life ---

    def _commit(self, now: float) -> None:
        """What the caller has said becomes a turn. The server says so, or that there is nothing."""
        self._asked_at = now
        self._out.tell_model(commands.CommitInput())

    def _note(self, why: str) -> None:
        self._out.note(warned("model_asked", why=why))

    # --- Time ---

    def add_due(self, due: dict[Timer, float]) -> None:
        """Adds when to look at what."""
        if not self._sessions.stands:
            return
        floor, limits, heard_at = self._floor, self._limits, self._tally.from_model_at
        if floor.caller is Caller.SPEAKING:
            due[Timer.UTTERANCE] = floor.speaking_since + limits.utterance_max_s
        elif floor.next is Next.PROMISED and floor.promise.is_unseen:
            due[Timer.UNSEEN] = floor.promise.since + limits.unseen_end_timeout_s
        elif floor.next is Next.PROMISED and floor.promise.is_behind and floor.now is Now.NOTHING:
            due[Timer.UNKEPT] = max(floor.due_since, heard_at) + limits.command_timeout_s
        if heard_at < self._asked_at:
            due[Timer.SIGN] = self._asked_at + limits.sign_timeout_s
        elif heard_at < self.commanded_at and floor.caller is Caller.SILENT:
            # Not in the middle of their words: a commit would end their turn, and a server that is only slow
            # would answer half of it.
            due[Timer.UNANSWERED] = self.commanded_at + limits.command_timeout_s

    def expired(self, timer: Timer, now: float) -> None:
        """The time of one of them has come."""
        floor = self._floor
        match timer:
            case Timer.UTTERANCE:
                self._utterance_too_long(now)
            case Timer.UNSEEN if self._tally.loudness.loud_for:
                floor.line_is_loud()  # It was only a pause.
            case Timer.UNSEEN:
                self._note("the caller has stopped, and the model has not noticed")
                self._answer(now)
            case Timer.UNKEPT:
                # Whether the server answers behind a response that it was not to interrupt, refuses to, or
                # forgets it, is not documented.
                self._note("what the caller said into the greeting was not answered")
                self._asking.promise_broken(now)
            case Timer.UNANSWERED:
                self._note("a command was not answered")
                if self._unheard_turn != floor.turn and self._sessions.plan.has_transcription:
                    # Nobody asks what they have said meanwhile: if it was anything, its words will say so.
                    self._await_unheard(now, is_asked_about=False)
                self._commit(now)
            case _:
                assert timer is Timer.SIGN
                self._out.then(SessionFailed(Trouble("the model gives no sign of life")))
