"""The sound of a call for a browser: a WAV file on the time line of the call, part by part."""

from __future__ import annotations

import re
from collections import OrderedDict
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from callbridge.console.sources import SourceError
from callbridge.records.recording.wav import header

if TYPE_CHECKING:
    from callbridge.console.lanes import Sound
    from callbridge.console.sources import Sounds
    from callbridge.records.story import CallStory

KEPT: Final = 4
"""Calls whose sound stays in memory: a browser asks for each in many parts, and an hour of one is 58 MB."""

_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")


class KeptSounds:
    """The sounds of the calls that were looked at last.

    Args:
        sounds: where they are; nothing where nothing is recorded.
    """

    def __init__(self, sounds: Sounds | None) -> None:
        self._sounds = sounds
        self._kept: OrderedDict[tuple[str, tuple[str, ...]], Sound] = OrderedDict()
        self._wavs: OrderedDict[str, tuple[Sound, bytes]] = OrderedDict()

    async def sound(self, story: CallStory) -> Sound | None:
        """That of a call; nothing where there is none.

        Raises:
            SourceError: it cannot be had now.
        """
        key = story.call_sid, story.recordings
        if self._sounds is None:
            return None
        if key not in self._kept:
            found = await self._sounds.sound(story)
            if found is None:
                return None
            self._kept[key] = found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[key]

    async def sound_or_why(self, story: CallStory) -> tuple[Sound | None, str]:
        """The same, or why it cannot be had."""
        try:
            return await self.sound(story), ""
        except SourceError as error:
            return None, str(error)

    async def wav(self, story: CallStory) -> bytes | None:
        """The same as a file."""
        sound, _why = await self.sound_or_why(story)
        if sound is None:
            return None
        made = self._wavs.get(story.call_sid)
        if made is None or made[0] is not sound:
            made = sound, await run_in_threadpool(wav_of, sound)
            self._wavs[story.call_sid] = made
            if len(self._wavs) > KEPT:
                self._wavs.popitem(last=False)
        return made[1]


def wav_of(sound: Sound) -> bytes:
    """µ-law in a WAV file, which every browser plays: caller left, agent right."""
    both = sound.stereo
    return header(len(both)) + both


def audio_answer(wav: bytes, wanted: str, name: str = "") -> Response:
    """The file, or the part of it that is wanted (RFC 9110, section 14).

    Args:
        wav: all of it.
        wanted: the header `Range`.
        name: to be saved under this; nothing to be played.
    """
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, no-store"}
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    bounds = _bounds(wanted, len(wav))
    if bounds is None:
        return Response(wav, media_type="audio/wav", headers=headers)
    begin, end = bounds
    if begin >= end:
        headers["Content-Range"] = f"bytes */{len(wav)}"
        return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(wav)}"
    return Response(wav[begin:end], HTTPStatus.PARTIAL_CONTENT, headers, "audio/wav")


def _bounds(wanted: str, size: int) -> tuple[int, int] | None:
    """One range; several at once are answered with everything, as one may."""
    found = _RANGE.fullmatch(wanted.strip())
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        return max(size - int(last), 0), size
    return int(first), min(int(last) + 1, size) if last else size
