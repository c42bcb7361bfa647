"""What happens in a call, as the SDK's session is told of it. Pure: no loop, no clock, no socket.

Its history is what was lived: words of the agent that were cut stand in it as far as the caller heard them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from agents.realtime import (
    AssistantMessageItem,
    InputAudio,
    InputText,
    RealtimeModelAudioDoneEvent,
    RealtimeModelAudioInterruptedEvent,
    RealtimeModelCachedTokensDetails,
    RealtimeModelConnectionStatusEvent,
    RealtimeModelErrorEvent,
    RealtimeModelInputAudioTranscriptionCompletedEvent,
    RealtimeModelInputTokensDetails,
    RealtimeModelItemDeletedEvent,
    RealtimeModelItemUpdatedEvent,
    RealtimeModelOutputTokensDetails,
    RealtimeModelTranscriptDeltaEvent,
    RealtimeModelTurnEndedEvent,
    RealtimeModelTurnStartedEvent,
    RealtimeModelUsageEvent,
    RealtimeToolCallItem,
    SystemMessageItem,
    UserMessageItem,
)
from agents.realtime.items import AssistantAudio
from agents.realtime.model_events import RealtimeModelRawServerEvent
from agents.usage import Usage

from callbridge.call import facts
from callbridge.call.memory import Told
from callbridge.call.usage import of_response
from callbridge.wire import realtime_events as e

if TYPE_CHECKING:
    from agents.realtime import RealtimeItem, RealtimeModelEvent

    from callbridge.agents.context import Line
    from callbridge.call.lived import SaidItem


CHARACTERS_EACH: Final = 25
"""So many are told at a time: the session makes its history anew for each piece, and a model sends several in
a second. Their audio is still to be heard. Guardrails look behind each 100."""


class Telling:
    """Of one stream.

    Args:
        characters_each: of the agent's words, told at a time.
        has_raw: whether somebody may want to know what the server says itself.
    """

    def __init__(self, characters_each: int = CHARACTERS_EACH, *, has_raw: bool = False) -> None:
        self._characters_each, self._has_raw = characters_each, has_raw
        self._piece = RealtimeModelTranscriptDeltaEvent("", "", "")
        """Words that are still to be told."""
        self._response_id: str | None = None
        """That of the response in progress."""
        self._cut: set[str] = set()
        """Items of it that the caller has stopped: their words are no longer what the model says."""
        self._notes = 0

    def earlier(self, lines: Iterable[Line]) -> Iterator[RealtimeModelEvent]:
        """What was said on earlier streams of the call."""
        for number, line in enumerate(lines, start=1):
            item_id = f"earlier_{number}"
            if line.who == "caller":
                yield _updated(UserMessageItem(item_id=item_id, content=[InputText(text=line.text)]))
            else:
                yield _updated(_agents(item_id, line.text, "completed"))

    def model_says(self, event: e.ServerEvent) -> Iterator[RealtimeModelEvent]:
        """The model says this of its responses and items."""
        yield from self._words()
        if self._has_raw:
            yield RealtimeModelRawServerEvent(msgspec.to_builtins(event))
        match event:
            case e.ResponseCreated(response):
                yield from self._response_is_over()
                self._response_id = response.id
                yield RealtimeModelTurnStartedEvent(response_id=response.id)
            case e.ResponseDone(response):
                yield from _usage(response)
                if response.id == self._response_id:
                    yield from self._response_is_over()
                else:
                    yield RealtimeModelTurnEndedEvent(response_id=response.id)
            case e.OutputItemAdded(item=e.Item(id=item_id, type="message")):
                yield _updated(AssistantMessageItem(item_id=item_id, content=[], status="in_progress"))
            case e.AgentTranscript(item_id, transcript) if transcript and item_id not in self._cut:
                yield _updated(_agents(item_id, transcript, "completed"))
            case e.AudioDone(item_id=item_id):
                yield RealtimeModelAudioDoneEvent(item_id=item_id, content_index=0)
            case e.InputCommitted(item_id):
                yield _updated(UserMessageItem(item_id=item_id, content=[InputAudio()]))
            case e.CallerTranscript(item_id, transcript) if transcript is not None:
                yield RealtimeModelInputAudioTranscriptionCompletedEvent(item_id, transcript)
            case e.ErrorEvent(error):
                names = ("type", "code", "message", "param")
                yield RealtimeModelErrorEvent({name: getattr(error, name) for name in names})
            case _:
                pass

    def told(self, fact: facts.Fact) -> Iterator[RealtimeModelEvent]:
        """Something has happened in the call."""
        yield from self._words()
        match fact:
            case facts.AgentReady():
                yield RealtimeModelConnectionStatusEvent("connected")
            case facts.SessionReplaced():
                yield from self._response_is_over()  # Its session has taken it along.
            case facts.Interrupted(truncated, deleted):
                yield from self._interrupted([item_id for item_id, _ in truncated], deleted)
            case facts.GuardrailTripped(item_id=item_id, was_cut=True, heard_ms=heard_ms):
                yield from self._interrupted([item_id] if heard_ms else [], () if heard_ms else (item_id,))
            case facts.TurnEnded(items=items):
                yield from self._heard([item for item in items if item.was_cut])
            case facts.Remembered(Told(text=text, is_callers=is_callers)):
                self._notes += 1
                kind = UserMessageItem if is_callers else SystemMessageItem
                yield _updated(kind(item_id=f"told_{self._notes}", content=[InputText(text=text)]))
            case _:
                pass

    def hears(self, by: Literal["agent", "caller"], item_id: str, words: str) -> Iterator[RealtimeModelEvent]:
        """A piece of the words that the caller hears, or says."""
        if by == "caller" or self._response_id is None:
            return
        if self._piece.item_id != item_id:
            yield from self._words()
        words = self._piece.delta + words
        self._piece = RealtimeModelTranscriptDeltaEvent(item_id, words, self._response_id)
        if len(self._piece.delta) >= self._characters_each:
            yield from self._words()

    def _words(self) -> Iterator[RealtimeModelEvent]:
        """Those that are still to be told, before anything else is."""
        if self._piece.delta:
            yield self._piece
            self._piece = RealtimeModelTranscriptDeltaEvent("", "", "")

    def _response_is_over(self) -> Iterator[RealtimeModelEvent]:
        if self._response_id is not None:
            yield RealtimeModelTurnEndedEvent(response_id=self._response_id)
        self._response_id = None
        self._cut.clear()

    def _interrupted(self, truncated: list[str], deleted: tuple[str, ...]) -> Iterator[RealtimeModelEvent]:
        stopped = [*truncated, *deleted]
        if self._response_id is not None:
            self._cut.update(stopped)
        if stopped:
            yield RealtimeModelAudioInterruptedEvent(item_id=stopped[0], content_index=0)
        yield from map(RealtimeModelItemDeletedEvent, deleted)

    def _heard(self, cut: list[SaidItem]) -> Iterator[RealtimeModelEvent]:
        """Items that were cut stand in the history as far as they were heard.

        No fact may have said so yet: one that was muted before its first sound is no interruption.
        """
        if self._response_id is not None:
            self._cut.update(item.item_id for item in cut)
        for item in cut:
            if item.heard:
                yield _updated(_agents(item.item_id, item.heard, "incomplete"))
            else:
                yield RealtimeModelItemDeletedEvent(item.item_id)


def _updated(item: RealtimeItem) -> RealtimeModelItemUpdatedEvent:
    return RealtimeModelItemUpdatedEvent(item=item)


def _agents(item_id: str, words: str, status: Literal["completed", "incomplete"]) -> AssistantMessageItem:
    return AssistantMessageItem(item_id=item_id, content=[AssistantAudio(transcript=words)], status=status)


def _usage(response: e.Response) -> Iterator[RealtimeModelEvent]:
    if response.usage is None:
        return
    billed = of_response(response.usage)
    total = billed.input_tokens + billed.output_tokens
    usage = Usage(
        requests=1, input_tokens=billed.input_tokens, output_tokens=billed.output_tokens, total_tokens=total
    )
    usage.input_tokens_details.cached_tokens = billed.cached_tokens
    text_cached, audio_cached = billed.input_cached
    cached = RealtimeModelCachedTokensDetails(text_tokens=text_cached, audio_tokens=audio_cached)
    yield RealtimeModelUsageEvent(
        usage,
        RealtimeModelInputTokensDetails(
            text_tokens=billed.input_text_tokens,
            audio_tokens=billed.input_audio_tokens,
            cached_tokens=billed.cached_tokens,
            cached_tokens_details=cached,
        ),
        RealtimeModelOutputTokensDetails(
            text_tokens=billed.output_text_tokens, audio_tokens=billed.output_audio_tokens
        ),
    )


def function_call(call_id: str, name: str, arguments: str, output: str | None = None) -> RealtimeModelEvent:
    """A call of a tool, as it stands in the history: without its output as long as it runs."""
    return _updated(
        RealtimeToolCallItem(
            item_id=call_id,
            call_id=call_id,
            status="in_progress" if output is None else "completed",
            arguments=arguments,
            name=name,
            output=output,
        )
    )
