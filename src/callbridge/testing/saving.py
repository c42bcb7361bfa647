"""A call as files, for whoever looks into a test that failed: its sound, its data, its timeline."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from callbridge.simulators.audio import write_stereo
from callbridge.testing.persona.told import conversation_of
from callbridge.testing.telling import timeline_of

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.simulators.voice_model import Journal
    from callbridge.testing.call_data import CallData


def save_call(call: CallData, folder: Path) -> Path:
    """Leaves `call.wav`, `call.json` and `call.txt` in `folder`, which is made if it is not there.

    A persona's call leaves `call.conversation.json`, too, and so does one that was judged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_stereo(folder / "call.wav", call.caller_audio, call.heard_audio)
    data = msgspec.json.format(msgspec.json.encode(_data_of(call)), indent=2)
    (folder / "call.json").write_bytes(data + b"\n")
    (folder / "call.txt").write_text(call_text(call), encoding="utf-8")
    if call.judged or call.persona is not None:
        conversation_of(call).save(folder / "call.conversation.json")
    return folder


def call_text(call: CallData) -> str:
    """The timeline and the log below it."""
    log = "".join(f"{line.at_ms:>8} {line.level} {line.event} {line.fields or ''}\n" for line in call.log)
    return f"{timeline_of(call)}\n\nThe log:\n{log}"


def _data_of(call: CallData) -> dict[str, Any]:
    return {
        "complaints": call.complaints,
        "story_from_ms": call.story_from_ms,
        "story": call.story,
        "phone": call.phone,
        "facts": call.facts,
        "sessions": [_session(journal) for journal in call.sessions],
        "log": call.log,
    }


def _session(journal: Journal) -> dict[str, Any]:
    """What a session of the model has seen, without its audio."""
    return {
        "model": journal.model,
        "session": journal.session,
        "ended": journal.ended,
        "notes": [asdict(note) for note in journal.notes],
        "items": [item.as_json() for item in journal.items.values()],
        "responses": [asdict(record) for record in journal.responses],
        "refusals": [asdict(refusal) for refusal in journal.refusals],
    }
