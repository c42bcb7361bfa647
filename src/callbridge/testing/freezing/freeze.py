"""Freezes a call: its story, its tape and its sound become a scenario with its audio in a folder beside it.

`frozen` is pure, and says what was not kept of the call; `write` writes the files.
"""

from __future__ import annotations

import datetime as dt
import io
import wave
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from callbridge.call.tapes.text import TapeError
from callbridge.records.replaying import read
from callbridge.simulators.audio import SAMPLE_RATE, decode_mulaw
from callbridge.testing.freezing import expected, toml
from callbridge.testing.freezing.answers import doubles_of
from callbridge.testing.freezing.caller import WORDLESS, done_in
from callbridge.testing.freezing.replies import moves_of, replies_in, replies_on
from callbridge.testing.scenarios.file_model import SUFFIX
from callbridge.wire.audio import BYTES_PER_MS, SILENCE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from callbridge.call.tapes.entries import Entry
    from callbridge.console.lanes import Sound
    from callbridge.records.story import CallStory, Span
    from callbridge.testing.doubles import AnyDouble
    from callbridge.testing.freezing.caller import Done

NAME_SID: Final = 6
"""So many of the last characters of a CallSid name a test."""


class NotFrozenError(Exception):
    """No test can be made of this call. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A test that was made of a call."""

    name: str
    files: dict[str, bytes]
    """By their names, with the folder in front."""
    missing: tuple[str, ...]
    """What was not kept of the call, in sentences."""

    @property
    def scenario(self) -> str:
        """The name of the file that is played."""
        return f"{self.name}{SUFFIX}"


def frozen(
    story: CallStory,
    *,
    name: str = "",
    sound: Sound | None = None,
    tape: Iterable[bytes] = (),
    agent: str = "",
    own_tools: Collection[str] = (),
) -> Frozen:
    """Makes a test of a call. Nothing is read and nothing written.

    Args:
        story: the call.
        name: of the test; from the call when empty.
        sound: what was recorded of it.
        tape: the lines of its tape.
        agent: who is to answer, as a scenario names them; empty for whom the settings name.
        own_tools: the agent's own tools: they answer as they did. The others run, as they did.

    Raises:
        NotFrozenError: the call is still on, or nothing of it was kept that could be played.
    """
    if story.state == "live":
        raise NotFrozenError("The call is still on: freeze it when it has ended.")
    has_words = any(spoken.words for turn in story.turns for spoken in turn.agent)
    if not story.turns or not (has_words or sound is not None):
        raise NotFrozenError(
            "Nothing of the call was kept that could be played: neither words (CALLBRIDGE_KEEP_WORDS) nor "
            "sound (CALLBRIDGE_RECORDINGS)."
        )
    name = name or f"call-{story.call_sid[-NAME_SID:].lower()}"
    tapes, trouble = _tapes(tape)
    done = done_in(story)
    steps, sounds = _with_sounds(done, sound, name)
    content: dict[str, Any] = {
        **({"agent": agent} if agent else {}),
        "at": dt.datetime.fromtimestamp(int(story.began_at), dt.UTC),
        "caller": steps,
        "model": [_plain(move) for move in moves_of(replies_on(tapes) if tapes else replies_in(story))],
    }
    missing = tuple(_missing(story, sound, done, trouble, has_words=has_words, has_tape=bool(tapes)))
    parts = [
        toml.commented([f"Frozen from the call {story.call_sid}. It passes while the agent does the same."]),
        *([toml.commented(missing)] if missing else []),
        "\n".join(toml.assignment(*entry) for entry in content.items()),
        *expected.tables(story),
        *_doubled(doubles_of(story, own_tools, tapes)),
    ]
    files = {f"{name}{SUFFIX}": ("\n\n".join(parts) + "\n").encode(), **sounds}
    return Frozen(name, files, missing)


def write(made: Frozen, into: Path) -> Path:
    """Writes the files of a test.

    Raises:
        NotFrozenError: there is one of this name, which somebody may have worked on.
        OSError: they cannot be written.
    """
    if (into / made.scenario).exists():
        raise NotFrozenError(f"{into / made.scenario} is there already: delete it, or choose another name.")
    for name, content in made.files.items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return into / made.scenario


def _doubled(doubles: Mapping[str, Sequence[AnyDouble]]) -> Iterator[str]:
    """`[tools]`, a line for each."""
    if doubles:
        plain = {name: [_plain(one) for one in each] for name, each in doubles.items()}
        yield toml.table("tools", {name: each[0] if len(each) == 1 else each for name, each in plain.items()})


def _tapes(lines: Iterable[bytes]) -> tuple[list[list[Entry]], str]:
    """Of each stream its tape; nothing where they cannot be read, and why."""
    try:
        return list(read(lines)), ""
    except TapeError as error:
        return [], f"Its tape cannot be read: {error}."


# --- The caller -----------------------------------------------------------------------------------------


def _with_sounds(done: Sequence[Done], sound: Sound | None, name: str) -> tuple[list[Any], dict[str, bytes]]:
    """The steps as they are written, and the files that they name."""
    steps: list[Any] = []
    files: dict[str, bytes] = {}
    for one in done:
        step = _plain(one.step)
        audio = b"" if sound is None or one.sound is None else cut_out(sound, one.sound)
        if audio:
            file = f"{name}/{len(files) + 1:02}.wav"
            files[file] = as_wav(audio)
            said = {"step": "say", "text": step} if isinstance(step, str) else step
            step = {**said, "audio": file}
        steps.append(step)
    return steps, files


def _plain(written: Any) -> Any:
    """A step, a move or a double without what says nothing; one that is but a text is that text."""
    if isinstance(written, list | tuple):
        return [_plain(one) for one in written]
    if not isinstance(written, msgspec.Struct):
        return msgspec.to_builtins(written)
    config = type(written).__struct_config__
    told = {str(config.tag_field): config.tag}
    for field in msgspec.structs.fields(written):
        value = getattr(written, field.name)
        if field.required or value != _usual(field):
            told[field.encode_name] = _plain(value)
    return told["text"] if told.keys() == {config.tag_field, "text"} else told


def _usual(field: msgspec.structs.FieldInfo) -> object:
    """What a field says by itself."""
    factory = field.default_factory
    return field.default if factory is msgspec.NODEFAULT else factory()


def cut_out(sound: Sound, span: Span) -> bytes:
    """What the caller's side has of this stretch; nothing where it is silent, or was not recorded."""
    begin, end = ((at_ms - sound.offset_ms) * BYTES_PER_MS for at_ms in (span.began_ms, span.ended_ms))
    audio = sound.caller[max(begin, 0) : max(end, 0)]
    return audio if audio.strip(bytes((SILENCE,))) else b""


def as_wav(audio: bytes) -> bytes:
    """µ-law as a WAV file of 16 bits, which every program plays; the same µ-law comes of it again."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(decode_mulaw(audio).tobytes())
    return file.getvalue()


# --- What was not kept ----------------------------------------------------------------------------------


def _missing(
    story: CallStory,
    sound: Sound | None,
    done: Sequence[Done],
    trouble: str,
    *,
    has_words: bool,
    has_tape: bool,
) -> Iterable[str]:
    if not has_words:
        yield "Words were not kept (CALLBRIDGE_KEEP_WORDS): what the model says has to be written here."
    if sound is None:
        yield "The caller was not recorded (CALLBRIDGE_RECORDINGS): their words are spoken anew."
    elif any(one.sound is not None and not cut_out(sound, one.sound) for one in done):
        yield "Some of the caller's words were not recorded: they are spoken anew."
    if trouble:
        yield trouble
    if not has_tape:
        why = "which words and tools were one answer is a guess"
        yield f"The call was not taped (CALLBRIDGE_REPLAY_SHARE): {why}."
    if len(story.streams) > 1:
        yield f"The call had {len(story.streams)} streams: here it is one, and no session is lost."
    if any("null" in tool.arguments for turn in story.turns for tool in turn.tools):
        yield "Arguments that were null are left out: TOML has no null."
    if any(WORDLESS in str(one.step) for one in done):
        yield "Where the caller's words are not known the transcript says so."
