"""What a text model is asked that stands in for the voice model, and how its answer is read. Pure.

It is given what the session was given: its instructions, its tools, its conversation.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from callbridge.records.analysis.completion import text_of
from callbridge.records.analysis.findings import UnfitAnswer
from callbridge.simulators.voice_model import Answer, Call, Say
from callbridge.testing.persona.text_models import Question
from callbridge.testing.speech import is_speakable
from callbridge.wire.audio import BYTES_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from openai.types.chat import ChatCompletion

    from callbridge.simulators.voice_model import Item, Journal

_TASK: Final = (
    "You are a voice model on the telephone: what you write is spoken to the caller at once, so write what "
    "is said and nothing else, in short sentences. What the caller says comes as text. These are your "
    "instructions:"
)

_NOTHING_YET: Final = "(no result yet)"


def question_of(
    journal: Journal, asked: str, offered: Collection[str], voice: Callable[[str], bytes], model: str
) -> Question[Answer]:
    """What the text model is asked for one response.

    Args:
        journal: of the session that needs it.
        asked: instructions of this very response, in place of the session's; empty for none.
        offered: names of the tools that may be called now.
        voice: makes speech of what is said.
        model: which one; that of the settings when empty.
    """
    instructions = asked or str(journal.session.get("instructions", ""))
    tools = [_tool(tool) for tool in journal.session.get("tools", ()) if tool.get("name") in offered]
    messages = [
        {"role": "system", "content": f"{_TASK}\n\n{instructions}"},
        *_messages(journal.conversation.items()),
    ]

    def read(said: ChatCompletion) -> Answer:
        return _answer(said, voice)

    more: dict[str, Any] = {"tools": tools} if tools else {}
    return Question(purpose="voice model", messages=messages, read=read, model=model, more=more)


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = {name: tool[name] for name in ("name", "description", "parameters") if tool.get(name)}
    return {"type": "function", "function": function}


def _messages(items: Iterable[Item]) -> list[dict[str, Any]]:
    """The conversation as Chat Completions knows one: each result of a tool stands behind its call."""
    known = list(items)
    outputs = {
        item.fields["call_id"]: item.fields["output"] for item in known if item.type == "function_call_output"
    }
    messages: list[dict[str, Any]] = []
    for item in known:
        if item.type == "function_call":
            call_id = item.fields["call_id"]
            function = {"name": item.fields["name"], "arguments": item.fields["arguments"] or "{}"}
            call = {"id": call_id, "type": "function", "function": function}
            messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
            output = outputs.get(call_id, _NOTHING_YET)
            messages.append({"role": "tool", "tool_call_id": call_id, "content": output})
        elif item.type == "message" and (words := _words(item)):
            messages.append({"role": item.role, "content": words})
    return messages


def _words(item: Item) -> str:
    """What it remembers of a message: of one that was cut, what the caller heard."""
    if item.truncated_at_ms is None or not item.audio:
        return item.transcript or " ".join(str(part.get("text", "")) for part in item.content).strip()
    words = item.transcript.split()
    share = min(1.0, item.truncated_at_ms * BYTES_PER_MS / max(1, item.sent_bytes))
    return " ".join([*words[: round(share * len(words))], "— (the caller interrupted here)"])


def _answer(said: ChatCompletion, voice: Callable[[str], bytes]) -> Answer:
    text = text_of(said).strip()
    text = text if is_speakable(text) else ""
    calls = tuple(_call(call) for call in said.choices[0].message.tool_calls or ())
    if not text and not calls:
        raise UnfitAnswer("It is empty: say something, or call a tool.")
    return Answer(say=(Say(text=text, audio=voice(text)),) if text else (), calls=calls)


def _call(call: Any) -> Call:
    """One call, in its own words where they are no JSON object: the service has to live with that, too."""
    written = call.function.arguments
    try:
        arguments = json.loads(written)
    except ValueError:
        arguments = None
    if isinstance(arguments, dict):
        return Call(name=call.function.name, arguments=arguments, even_if_not_offered=True)
    return Call(name=call.function.name, raw_arguments=written, even_if_not_offered=True)
