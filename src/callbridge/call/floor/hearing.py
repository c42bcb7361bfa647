"""Whether the session hears the caller, and is there at all: what it says of itself proves neither.

The caller's loudness on the line and the clock are the witnesses. When they disagree with the model, it is
asked: `input_audio_buffer.commit` makes a turn of what the caller has said, `response.create` an answer.
Whoever answers anything is alive, and stays; a street is not asked about again for a while. Whoever answers
nothing is replaced, and the next session gets what the caller said.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from callbridge.call.events import CallerIsLoud, SessionFailed
from callbridge.call.facts import warned
from callbridge.call.floor.table import Caller, Next
from callbridge.call.phases import Timer
from callbridge.call.sessions.trouble import Trouble
from callbridge.wire import realtime_commands as commands

if TYPE_CHECKING:
    from callbridge.call.ear.playout import Playout
    from callbridge.call.ear.tally import Tally
    from callbridge.call.floor.asking import Asking
    from callbridge.call.floor.floor import Floor
    from callbridge.call.outbox import Outbox
    from callbridge.call.sessions.sessions import Sessions


class Hearing:
    """What the present session is asked for because the line says otherwise.

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
        """How many commands of ours were looked at."""
        self.commanded_at = -math.inf
        """When the first command was sent that nothing has followed."""
        self._asked_at = -math.inf
        """When a sign of life was asked for."""
        self._loud_again_at = -math.inf
        self._long_utterances = 0
        """In the present session."""

    def session_stands(self) -> None:
        """There is another session, of which nothing is known."""
        self.commanded_at = self._asked_at = self._loud_again_at = -math.inf
        self._long_utterances = 0

    # --- The caller is louder than the model says ---

    def caller_is_loud(self, event: CallerIsLoud, now: float) -> None:
        """The line says that the caller speaks, and the model does not.

        Not while the agent is to be heard: telephones bring its voice back. Not while an answer is due: that
        has a limit of its own.
        """
        floor = self._floor
        is_busy = floor.caller is Caller.SPEAKING or floor.is_answering or now < self._playout.quiet_at
        if is_busy or now < self._loud_again_at:
            return
        self._loud_again_at = now + self._limits.loud_again_after_s
        self._note("the caller is loud, and no speech was detected")
        floor.speech_unseen(now)
        self._commit(now)
        self._asking.for_sign(now)

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
        if heard_at < self._asked_at:
            due[Timer.SIGN] = self._asked_at + limits.sign_timeout_s
        elif heard_at < self.commanded_at:
            due[Timer.UNANSWERED] = self.commanded_at + limits.command_timeout_s

    def expired(self, timer: Timer, now: float) -> None:
        """The time of one of them has come."""
        match timer:
            case Timer.UTTERANCE:
                self._utterance_too_long(now)
            case Timer.UNSEEN if self._tally.loudness.loud_for:
                self._floor.line_is_loud()  # It was only a pause.
            case Timer.UNSEEN:
                self._note("the caller has stopped, and the model has not noticed")
                self._answer(now)
            case Timer.UNANSWERED:
                self._note("a command was not answered")
                self._commit(now)
            case _:
                assert timer is Timer.SIGN
                self._out.then(SessionFailed(Trouble("the model gives no sign of life")))
