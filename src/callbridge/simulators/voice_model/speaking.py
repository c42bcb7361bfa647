"""Responses: which may start, what they are asked for, which are under way, and who may cancel them.

One response of the conversation at a time; any number outside it. Knows nothing of audio that comes in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from callbridge.simulators.voice_model.faults import Fault
from callbridge.simulators.voice_model.items import client_item
from callbridge.simulators.voice_model.journal import Passed, ResponseRecord
from callbridge.simulators.voice_model.ladder import Delivery
from callbridge.simulators.voice_model.mcp import McpServers
from callbridge.simulators.voice_model.recital import memory
from callbridge.simulators.voice_model.responses import Order, ResponseRun
from callbridge.simulators.voice_model.schema import ClientError
from callbridge.simulators.voice_model.session_config import (
    PHASED_MODELS,
    REASONING_MODELS,
    pace_of,
    refuse_response_settings,
)

RATE_LIMITS_AFTER_S = 0.036
"""From `response.done` to `rate_limits.updated`: 30 to 43 ms in recorded sessions."""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callbridge.simulators.voice_model.conversation import Item
    from callbridge.simulators.voice_model.schema import Json
    from callbridge.simulators.voice_model.script import Answer
    from callbridge.simulators.voice_model.shared import Shared


class Speaking:
    """The responses of one session."""

    def __init__(self, shared: Shared) -> None:
        self.active: ResponseRun | None = None
        """The response of the conversation that is under way."""
        self.when_done: Callable[[ResponseRun], None] = lambda _run: None
        """Who wants to know that the response of the conversation is over."""
        self._shared = shared
        self.mcp = McpServers(shared)
        self._runs: list[ResponseRun] = []

    @property
    def next_due(self) -> float | None:
        """When the next event of a response is due."""
        if not self._runs:
            return None
        due = min(run.deadline for run in self._runs)
        return None if due == math.inf else due

    def create(self, asked: Json) -> None:
        """Start a response.

        Raises:
            ClientError: one is active, or its settings are refused.
        """
        shared = self._shared
        if shared.config.kind == "transcription":
            raise ClientError("invalid_event", "A transcription session has no responses.")
        is_out_of_band = asked.get("conversation") == "none"
        if not is_out_of_band:
            self._settle()
            self._refuse_second()
        refuse_response_settings(shared.config, asked, has_spoken=shared.has_spoken)
        context = self._context(asked)
        settings = shared.config.values | asked
        offered = _offered(settings) | self.mcp.offered(settings)
        prompter = shared.prompter
        instructions = asked.get("instructions") or ""
        if is_out_of_band:
            answer = prompter.out_of_band(offered)
        else:
            answer = prompter.next(offered, self._told(), instructions)
        for name in prompter.left_out:
            shared.note("left_out", f"{name}: the session offers no such tool")
        if answer.absent:
            shared.note("fault", "absent")
            return
        answer = answer.on_connection(shared.settings.connection)
        if answer.recites:
            answer = answer.reciting(memory(shared.conversation.items() if context is None else context))
        order = self._order(asked, answer, context, is_out_of_band=is_out_of_band)
        self._start(answer, order, instructions)

    def _told(self) -> str:
        """All that the model knows, in words."""
        known = memory(self._shared.conversation.items())
        return "\n".join([str(self._shared.config.values.get("instructions", "")), *known])

    def cancel(self, response_id: str | None) -> None:
        """`response.cancel`. Raises ClientError when there is nothing to cancel."""
        run = self.active
        if response_id is not None:
            run = next((one for one in self._runs if one.record.id == response_id), None)
        if run is None:
            raise ClientError("response_cancel_not_active", "Cancellation failed: no active response found")
        self._cut(run, "client_cancelled")

    def interrupt(self) -> None:
        """The caller speaks: close the response of the conversation, at once or a little later."""
        run = self.active
        if run is None:
            return
        lag_s = run.answer.interrupt_lag_ms / 1000
        if lag_s:
            self._shared.plan(lag_s, lambda: self._cut(run, "turn_detected"))
            run.is_interrupted = True
        else:
            self._cut(run, "turn_detected")

    def advance(self) -> None:
        """Send what is due."""
        for run in list(self._runs):
            self._carry_out(run, run.advance(self._shared.now))

    # --- Inside -------------------------------------------------------------------------------

    def _refuse_second(self) -> None:
        if self.active is not None:
            raise ClientError(
                "conversation_already_has_active_response",
                "Conversation already has an active response in progress: "
                f"{self.active.record.id}. Wait until the response is finished before creating a "
                "new one.",
            )

    def _settle(self) -> None:
        # The caller's turn ended before the interrupted response was closed: close it first.
        if self.active is not None and self.active.is_interrupted:
            self._cut(self.active, "turn_detected")

    def _context(self, asked: Json) -> tuple[Item, ...] | None:
        if "input" not in asked:
            return None
        shared = self._shared
        return tuple(
            shared.conversation.refer(written["id"], f"response.input[{index}].id")
            if written["type"] == "item_reference"
            else client_item(written, f"response.input[{index}]", shared.config.input_format, shared.ids)
            for index, written in enumerate(asked["input"])
        )

    def _order(
        self,
        asked: Json,
        answer: Answer,
        context: tuple[Item, ...] | None,
        *,
        is_out_of_band: bool,
    ) -> Order:
        shared = self._shared
        effective = shared.config.values | asked
        output = shared.config.values["audio"]["output"] | asked.get("audio", {}).get("output", {})
        after_ms = shared.script.after_ms if answer.after_ms is None else answer.after_ms
        return Order(
            output_format=output["format"],
            voice=output["voice"],
            modalities=effective["output_modalities"],
            max_output_tokens=effective["max_output_tokens"],
            metadata=asked.get("metadata"),
            prompt={name: effective[name] for name in ("instructions", "tools")},
            context=context,
            conversation_id=None if is_out_of_band else shared.conversation_id,
            is_phased=shared.config.model in PHASED_MODELS,
            reasoning_tokens=shared.script.reasoning_tokens if shared.config.model in REASONING_MODELS else 0,
            after_s=(after_ms + shared.settings.latency_ms) / 1000,
            delivery=self._delivery(answer),
        )

    def _delivery(self, answer: Answer) -> Delivery:
        shared = self._shared
        return Delivery(
            pace=answer.pace or shared.settings.pace or shared.script.pace or pace_of(shared.config.model),
            delta_bytes=answer.delta_bytes or shared.script.delta_bytes,
            faults=answer.faults,
            random=shared.random,
        )

    def _start(self, answer: Answer, order: Order, instructions: str) -> None:
        shared = self._shared
        record = ResponseRecord(shared.ids.make("resp"), shared.now, instructions)
        shared.journal.responses.append(record)
        shared.note("response_created", record.id)
        run = ResponseRun(
            answer,
            order,
            record,
            conversation=shared.conversation,
            meter=shared.meter,
            ids=shared.ids,
            mcp=self.mcp,
            now=shared.now,
        )
        self._runs.append(run)
        if not run.is_out_of_band:
            self.active = run
        self._carry_out(run, run.advance(shared.now))

    def _cut(self, run: ResponseRun, reason: str) -> None:
        if run in self._runs:
            self._carry_out(run, run.cancel(reason, self._shared.now))

    def _carry_out(self, run: ResponseRun, steps: Iterator[Json | Fault]) -> None:
        for step in steps:
            if not isinstance(step, Fault):
                self._note(step)
                self._shared.send(step)
                if step["type"] == "response.mcp_call.in_progress":
                    run.mcp_begins(step["item_id"])
                continue
            if step.kind == "duplicate":
                run.repeat_next_delta()
            self._shared.commit(step)
            if not self._shared.is_talking:
                return
        if run.is_over and run in self._runs:
            self._finish(run)

    def _finish(self, run: ResponseRun) -> None:
        self._runs.remove(run)
        record = run.record
        self._shared.note("response_done", f"{record.id} {record.status} {record.reason}".rstrip())
        self._shared.plan(RATE_LIMITS_AFTER_S, self._tell_limits)
        if run.answer.calls and not run.has_called:
            self._shared.prompter.call_was_cut()
        if run is self.active:
            self.active = None
            self.when_done(run)

    def _tell_limits(self) -> None:
        shared = self._shared
        shared.send({"type": "rate_limits.updated", "rate_limits": shared.meter.rate_limits(shared.now)})

    def _note(self, event: Json) -> None:
        if event["type"] == "response.output_audio.delta":
            self._note_delta(event["item_id"])
        elif event["type"] == "response.output_audio_transcript.done":
            self._shared.note("agent_said", event["transcript"])
        elif event["type"] == "response.output_text.done":
            self._shared.note("agent_said", event["text"])
        elif event["type"] == "response.function_call_arguments.done":
            self._shared.note("called", f"{event['name']}({event['arguments']})")
        elif event["type"] == "response.mcp_call_arguments.done":
            item = self._shared.conversation.ever[event["item_id"]]
            self._shared.note("called", f"{item.fields['name']}({event['arguments']})")

    def _note_delta(self, item_id: str) -> None:
        journal = self._shared.journal
        if journal.appended is not None:
            passed = Passed(self._shared.now, journal.items[item_id].sent_bytes)
            journal.delta_times.setdefault(item_id, []).append(passed)


def _offered(settings: Json) -> set[str]:
    """Names of the functions that may be called."""
    if settings["tool_choice"] == "none":
        return set()
    return {tool["name"] for tool in settings["tools"] if tool["type"] == "function"}
