"""The agent's own code stops what the agent is saying, like a guardrail that does not want it heard.

For phone and model it is what an interruption is: `clear`, truncate or delete, cancel. But nobody has spoken:
no turn of the caller begins, and nothing is taken back. What the caller hears in its place is owed at once.

A clear takes all that the phone holds. What plays before the stopped item is over with it, but for a
greeting, which stays owed; an answer behind it is owed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.facts import GuardrailTripped
from callbridge.call.floor.table import Now
from callbridge.call.wants import AgentTells

if TYPE_CHECKING:
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.playout import Playout
    from callbridge.call.floor.floor import Floor
    from callbridge.call.floor.news import News
    from callbridge.call.floor.responses import LiveResponse
    from callbridge.call.limits import Limits
    from callbridge.call.outbox import Outbox
    from callbridge.call.transcript import Transcript
    from callbridge.call.wants import AnswerStopped


class Stopping:
    """What is stopped in one call.

    Args:
        limits: the bounds.
        floor: who speaks, and what is owed.
        news: tells the model.
        gate: says which response may be heard.
        playout: what the phone was sent.
        transcript: who said what.
        out: where facts go.
    """

    def __init__(
        self,
        limits: Limits,
        floor: Floor,
        news: News,
        gate: Gate,
        playout: Playout,
        transcript: Transcript,
        out: Outbox,
    ) -> None:
        self._heard_tail_ms, self._floor, self._news, self._gate = limits.heard_tail_ms, floor, news, gate
        self._playout, self._transcript, self._out = playout, transcript, out

    def stop(self, event: AnswerStopped, now: float) -> None:
        """An item is not to be heard any further; nothing happens when none of it is left to be heard."""
        response = self._response_of(event.item_id)
        items = [event.item_id] if response is None else response.items
        was_cut = self._is_unheard(items, now) or (response is not None and self._goes_on(response))
        sent_ms, heard_ms = self._playout.sent_and_heard_ms([event.item_id], now)
        if was_cut:
            self._cut(response, now)
        known, heard_characters, withheld_characters = self._transcript.known_of(event.item_id)
        if known is not None and not was_cut:  # It was over before: the ledger does not know any more how.
            sent_ms, heard_ms = known.sent_ms, known.heard_ms
        self._out.note(
            GuardrailTripped(
                event.guardrail,
                event.item_id,
                was_cut,
                heard_ms,
                sent_ms - heard_ms,
                heard_characters,
                withheld_characters,
            )
        )
        if was_cut:
            # Who has heard nothing of it waits as before; what they have heard is the playout's to say.
            self._go_on(event, now, now if response is None else response.since)

    def _response_of(self, item_id: str) -> LiveResponse | None:
        """The response that says an item; None for one that is over, and followed by another."""
        for response in (self._floor.response, self._floor.let_go):
            if response is not None and item_id in response.items:
                return response
        return None

    def _goes_on(self, response: LiveResponse) -> bool:
        """Whether more of it may come that would be heard."""
        floor = self._floor
        if response is floor.let_go:
            return not response.is_muted
        return floor.now is Now.AUDIBLE and not response.is_whole

    def _is_unheard(self, items: list[str], now: float) -> bool:
        sent_ms, heard_ms = self._playout.sent_and_heard_ms(items, now)
        return sent_ms - heard_ms > self._heard_tail_ms

    def _cut(self, response: LiveResponse | None, now: float) -> None:
        floor, latest = self._floor, self._floor.response
        if response is not None:
            self._mute(response, now)
        if latest is not response and not latest.is_muted and self._is_unheard(latest.items, now):
            self._goes_with_it(latest, now)
        if (greeting := floor.greeting.response) is not None:
            if greeting is response:
                floor.greeting.is_stopped(now)
            else:
                floor.greeting.is_cut(now)
        for saying in tuple(floor.sayings.sounding):
            if saying is response or self._is_unheard(saying.items, now):
                floor.sayings.is_cut(saying, now)
        muted = floor.response if floor.now is Now.MUTED else floor.let_go
        floor.interruption.cut(now, muted, is_callers=False)

    def _mute(self, response: LiveResponse, now: float) -> None:
        response.is_stopped = True
        if response is self._floor.in_progress:
            if self._floor.now is Now.AUDIBLE:
                self._floor.silence(now)
        elif response is self._floor.let_go:
            response.is_muted = True
            if self._gate.audible_response_id == response.id:
                self._gate.audible_response_id = None

    def _goes_with_it(self, latest: LiveResponse, now: float) -> None:
        """Some of another response is queued behind it. That one was fine, and is owed again."""
        floor = self._floor
        if latest is floor.in_progress:
            self._mute(latest, now)
        if latest in floor.sayings.sounding:
            floor.sayings.owed_again(latest)
        if latest is not floor.greeting.response and not latest.has_called:
            floor.debts.owe_again(latest)

    def _go_on(self, event: AnswerStopped, now: float, since: float) -> None:
        """Words are said in its place, or the model makes another answer; unless nothing is to be said."""
        if event.says is not None:
            self._floor.sayings.wanted_first(event.says, since)
        if event.tells:
            is_answered = event.is_answered and event.says is None
            self._news.came(AgentTells(event.tells, is_answered=is_answered), now, since)
        elif event.says is None and event.is_answered:
            self._floor.debts.owe_answer(since)
