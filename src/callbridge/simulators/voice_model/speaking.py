"""Responses: which may start, what they are asked for, which are under way, and who may cancel them.

One response of the conversation at a time; any number outside it. Knows nothing of audio that comes in.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from callbridge.simulators.voice_model.faults import Fault
from callbridge.simulators.voice_model.items import client_item
from callbridge.simulators.voice_model.journal import ResponseRecord
from callbridge.simulators.voice_model.ladder import Delivery
from callbridge.simulators.voice_model.recital import memory
from callbridge.simulators.voice_model.responses import Order, ResponseRun
from callbridge.simulators.voice_model.schema import ClientError
from callbridge.simulators.voice_model.session_config import refuse_response_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from callbridge.simulators.voice_model.conversation import Item
    from callbridge.simulators.voice_model.schema import Json
    from callbridge.simulators.voice_model.script import Answer
    from callbridge.simulators.voice_model.stage import Stage


class Speaking:
    """The responses of one session."""

    def __init__(self, stage: Stage) -> None:
        self.active: ResponseRun | None = None
        """The response of the conversation that is under way."""
        self.when_done: Callable[[ResponseRun], None] = lambda _run: None
        """Who wants to know that the response of the conversation is over."""
        self._stage = stage
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
        stage = self._stage
        is_out_of_band = asked.get("conversation") == "none"
        if not is_out_of_band:
            self._settle()
            self._refuse_second()
        refuse_response_settings(stage.config, asked, has_spoken=stage.has_spoken)
        context = self._context(asked)
        offered = _offered(stage.config.values | asked)
        prompter = stage.prompter
        answer = prompter.out_of_band(offered) if is_out_of_band else prompter.next(offered)
        for name in prompter.left_out:
            stage.note("left_out", f"{name}: the session offers no such tool")
        if answer.absent:
            stage.note("fault", "absent")
            return
        answer = answer.on_connection(stage.settings.connection)
        if answer.recites:
            answer = answer.reciting(memory(stage.conversation.items() if context is None else context))
        order = self._order(asked, answer, context, is_out_of_band=is_out_of_band)
        self._start(answer, order)

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
            self._stage.plan(lag_s, lambda: self._cut(run, "turn_detected"))
            run.is_interrupted = True
        else:
            self._cut(run, "turn_detected")

    def advance(self) -> None:
        """Send what is due."""
        for run in list(self._runs):
            self._carry_out(run, run.advance(self._stage.now))

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
        stage = self._stage
        return tuple(
            stage.conversation.refer(written["id"], f"response.input[{index}].id")
            if written["type"] == "item_reference"
            else client_item(written, f"response.input[{index}]", stage.config.input_format, stage.ids)
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
        stage = self._stage
        effective = stage.config.values | asked
        output = stage.config.values["audio"]["output"] | asked.get("audio", {}).get("output", {})
        after_ms = stage.script.after_ms if answer.after_ms is None else answer.after_ms
        return Order(
            output_format=output["format"],
            voice=output["voice"],
            modalities=effective["output_modalities"],
            max_output_tokens=effective["max_output_tokens"],
            metadata=asked.get("metadata"),
            prompt={name: effective[name] for name in ("instructions", "tools")},
            context=context,
            conversation_id=None if is_out_of_band else stage.conversation_id,
            limits_at=stage.script.rate_limits,
            after_s=(after_ms + stage.settings.latency_ms) / 1000,
            delivery=self._delivery(answer),
        )

    def _delivery(self, answer: Answer) -> Delivery:
        stage = self._stage
        return Delivery(
            pace=answer.pace or stage.settings.pace or stage.script.pace,
            delta_bytes=answer.delta_bytes or stage.script.delta_bytes,
            faults=answer.faults,
            random=stage.random,
        )

    def _start(self, answer: Answer, order: Order) -> None:
        stage = self._stage
        record = ResponseRecord(stage.ids.make("resp"), stage.now)
        stage.journal.responses.append(record)
        stage.note("response_created", record.id)
        run = ResponseRun(
            answer,
            order,
            record,
            conversation=stage.conversation,
            meter=stage.meter,
            ids=stage.ids,
            now=stage.now,
        )
        self._runs.append(run)
        if not run.is_out_of_band:
            self.active = run
        self._carry_out(run, run.advance(stage.now))

    def _cut(self, run: ResponseRun, reason: str) -> None:
        if run in self._runs:
            self._carry_out(run, run.cancel(reason, self._stage.now))

    def _carry_out(self, run: ResponseRun, steps: Iterator[Json | Fault]) -> None:
        for step in steps:
            if not isinstance(step, Fault):
                self._note(step)
                self._stage.send(step)
                continue
            if step.kind == "duplicate":
                run.repeat_next_delta()
            self._stage.commit(step)
            if not self._stage.is_talking:
                return
        if run.is_over and run in self._runs:
            self._finish(run)

    def _finish(self, run: ResponseRun) -> None:
        self._runs.remove(run)
        record = run.record
        self._stage.note("response_done", f"{record.id} {record.status} {record.reason}".rstrip())
        if run.answer.calls and not run.has_called:
            self._stage.prompter.call_was_cut()
        if run is self.active:
            self.active = None
            self.when_done(run)

    def _note(self, event: Json) -> None:
        if event["type"] == "response.output_audio_transcript.done":
            self._stage.note("agent_said", event["transcript"])
        elif event["type"] == "response.output_text.done":
            self._stage.note("agent_said", event["text"])
        elif event["type"] == "response.function_call_arguments.done":
            self._stage.note("called", f"{event['name']}({event['arguments']})")


def _offered(settings: Json) -> set[str]:
    """Names of the functions that may be called."""
    if settings["tool_choice"] == "none":
        return set()
    return {tool["name"] for tool in settings["tools"] if tool["type"] == "function"}
