"""What stands in an agent's file: the keys, their types and what each means.

The JSON Schema that editors show is made of this (`agent.schema.json`), so every docstring here is read by
whoever writes an agent.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from callbridge.agents.agent import ReasoningEffort
from callbridge.agents.choosing.called_numbers import ANY, is_number, spelled
from callbridge.agents.languages.codes import checked_language
from callbridge.agents.time_zones import is_time_zone
from callbridge.agents.written.flow_tables import WrittenStep, WrittenWay
from callbridge.agents.written.form_tables import FieldName, WrittenForm
from callbridge.agents.written.guardrail_tables import WrittenGuardrail, WrittenToolGuardrail
from callbridge.agents.written.handoff_tables import AgentName, WrittenHandoff
from callbridge.agents.written.mcp_tables import WrittenServer
from callbridge.agents.written.recording_tables import WrittenRecording
from callbridge.agents.written.request_tables import WrittenTool
from callbridge.agents.written.tables import Words, Written
from callbridge.agents.written.text_tables import WrittenTexts
from callbridge.agents.written.transfer_tables import TransferName, WrittenTransfer


class SilenceDetection(Written):
    """The end of the caller's turn is found by silence."""

    type: Literal["server_vad"]
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    """How loud speech must be, from 0 to 1."""
    prefix_padding_ms: Annotated[int, Field(ge=0)] | None = None
    """How much is taken in from before it was noticed, in milliseconds."""
    silence_duration_ms: Annotated[int, Field(ge=0)] | None = None
    """The silence that ends a turn, in milliseconds."""


class MeaningDetection(Written):
    """The end of the caller's turn is found by what they say: it waits longer behind half a sentence."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    """How soon the model thinks that they are done."""


class AgentFile(Written):
    """An agent that answers the telephone."""

    who: Words
    """Who the agent is and how it behaves: what the model is told."""
    greeting: Words | None = None
    """Its first words, said exactly. Without them the model finds some."""
    name: AgentName | None = None
    """What logs and records call it. Without it, the name of the file."""
    numbers: list[str] = Field(default_factory=list)
    """The called numbers that it answers, each as `+14155550100` or as a SIP address; `*` for all others."""
    language: str | None = None
    """The language of its callers: `de`, or `de-AT`."""
    time_zone: str | None = None
    """Where it is at home, `Europe/Berlin` for example."""
    voice: Words | None = None
    """A voice of the model."""
    model: Words | None = None
    """The realtime model."""
    reasoning_effort: ReasoningEffort | None = None
    """How hard the model thinks before it speaks."""
    turn_detection: Annotated[SilenceDetection | MeaningDetection, Field(discriminator="type")] | None = None
    """How the end of the caller's turn is found."""
    greeting_interruptible: bool = False
    """Whether the caller's first word stops the greeting. Otherwise it is heard, and they are answered behind
    it."""
    can_hang_up: bool = True
    """Whether the agent may end the call by itself, after a goodbye."""
    can_press_keys: bool = False
    """Whether the agent may press keys of the telephone by itself (digits, * and #), for a recorded menu."""
    person_key: Literal["", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*"] = ""
    """A key that leads to a human at any time, also while there is no model."""
    tool_timeout_s: Annotated[float, Field(gt=0, le=12)] | None = None
    """Seconds that a tool may take unless it says so itself."""
    spend_max: Annotated[float, Field(gt=0)] | None = None
    """US dollars that one call may cost; then the agent says goodbye."""
    allow: list[str] = Field(default_factory=list)
    """Where requests may go, each as `https://api.example.com`. `http://` may lead to this machine only:
    `http://localhost:8000`."""
    tools: list[WrittenTool] = Field(default_factory=list)
    """What the model may ask for."""
    capture: dict[FieldName, WrittenForm] = Field(default_factory=dict)
    """What the agent asks its callers for, by name. What no step captures may be captured at any time."""
    transfers: dict[TransferName, WrittenTransfer] = Field(default_factory=dict)
    """People to whom the agent can put its callers through, by name."""
    handoffs: dict[AgentName, WrittenHandoff] = Field(default_factory=dict)
    """Other agents of the folder to whom it may hand its callers over within the call, by name."""
    handoff_description: str = ""
    """What it is for, as the agents read it that may hand over to it."""
    mcp_servers: list[WrittenServer] = Field(default_factory=list)
    """MCP servers whose tools it has beside its own."""
    guardrails: list[WrittenGuardrail] = Field(default_factory=list)
    """What it may not say."""
    tool_guardrails: list[WrittenToolGuardrail] = Field(default_factory=list)
    """What its tools may not be used for."""
    texts: WrittenTexts | None = None
    """Which text messages it may send. Without it, none."""
    recording: WrittenRecording | None = None
    """Whether its calls are recorded, and how the caller is asked. Without it, none is."""
    steps: list[WrittenStep] = Field(default_factory=list)
    """The steps of its conversations. Each begins with the first."""
    anywhere: list[WrittenWay] = Field(default_factory=list)
    """Ways that every step has behind its own."""

    @field_validator("numbers")
    @classmethod
    def _numbers(cls, numbers: list[str]) -> list[str]:
        for number in numbers:
            if number != ANY and not is_number(number):
                raise ValueError(f"{number} is no number as Twilio has it; write it like +14155550100")
        if len(set(map(spelled, numbers))) < len(numbers):
            raise ValueError("the same number stands there twice")
        return numbers

    @field_validator("language")
    @classmethod
    def _language(cls, code: str | None) -> str | None:
        return code and checked_language(code)

    @field_validator("time_zone")
    @classmethod
    def _time_zone(cls, name: str | None) -> str | None:
        if name is not None and not is_time_zone(name):
            raise ValueError(f"there is no time zone {name}; write one like Europe/Berlin")
        return name


def json_schema() -> dict[str, Any]:
    """What editors are told of an agent's file."""
    schema: dict[str, Any] = _in_one_line(AgentFile.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


def _in_one_line(node: Any) -> Any:
    """The schema with each description in one line: an editor breaks them as it likes."""
    match node:
        case dict():
            return {
                key: " ".join(part.split())
                if key == "description" and isinstance(part, str)
                else _in_one_line(part)
                for key, part in node.items()
            }
        case list():
            return [_in_one_line(part) for part in node]
        case _:
            return node
