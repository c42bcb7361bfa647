"""What the model remembers, in words: the items of a conversation, oldest first.

For answers that recite and for tests that ask. It says what the server keeps: of a truncated item the audio
up to the cut and no transcript, of a deleted one nothing. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from callbridge.simulators.voice_model.conversation import Item


def memory(items: Iterable[Item]) -> list[str]:
    """One line per item: `user: …`, `assistant: …`, `system: …`, `tool name(arguments): output`.

    The output of a tool stands with its call. What the caller said is what was understood of it, reported or
    not, as the model hears audio and not transcripts.
    """
    known = list(items)
    outputs = {
        item.fields["call_id"]: item.fields["output"] for item in known if item.type == "function_call_output"
    }
    lines = []
    for item in known:
        if item.type == "function_call":
            output = outputs.get(item.fields["call_id"], "no output")
            lines.append(f"tool {item.fields['name']}({item.fields['arguments']}): {output}")
        elif item.type == "mcp_call":
            failed = (item.fields["error"] or {}).get("message", "no output")
            output = item.fields["output"] or failed
            lines.append(f"tool {item.fields['name']}({item.fields['arguments']}): {output}")
        elif item.type == "message":
            lines.append(f"{item.role}: {_words(item)}")
    return lines


def _words(item: Item) -> str:
    if item.truncated_at_ms is not None:
        return f"(cut at {item.truncated_at_ms} ms)"
    if item.transcript:
        return item.transcript
    kinds = {part["type"] for part in item.content}
    if "input_image" in kinds:
        return "(an image)"
    return f"({item.audio_ms} ms of audio)" if item.audio_ms else "(nothing)"
