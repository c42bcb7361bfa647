"""What a persona knows of an answer: the words of what reached its ear, and none ahead of it."""

from __future__ import annotations

import pytest

from callbridge.simulators.phone.playback import Playback
from callbridge.simulators.voice_model import Item, Journal
from callbridge.testing.persona.heard_words import heard_words
from phone_driver import ZERO, new_stream

WORDS = "one two three four five six seven eight nine ten"
AUDIO = bytes(range(1, 251)) * 32  # One second; no piece of it is like another.


def journal(item: Item) -> Journal:
    made = Journal("gpt-realtime-2.1")
    made.conversation.add(item)
    return made


@pytest.mark.parametrize(
    ("status", "said", "sent_ms", "heard_ms", "words"),
    [
        ("completed", WORDS, 1000, 1000, WORDS),
        ("completed", WORDS, 1000, 500, "one two three four five"),
        ("completed", WORDS, 1000, 0, None),
        # Half of the audio was sent, and its transcript is a quarter ahead of it.
        ("incomplete", "one two three four five six seven eight", 500, 300, "one two three"),
    ],
)
def test_words_follow_the_ear(status: str, said: str, sent_ms: int, heard_ms: int, words: str | None) -> None:
    item = Item("item_1", "message", "assistant", status=status, audio=AUDIO, sent_bytes=sent_ms * 8)
    item.transcript, item.is_spoken = said, True
    stream = new_stream()
    stream.open(ZERO)
    playback: Playback = stream.playback
    playback.add(AUDIO[: sent_ms * 8], ZERO)
    found = heard_words([stream], [journal(item)], ZERO + heard_ms / 1000)
    assert [one.words for one in found] == ([] if words is None else [words])
    assert all(one.is_all == (heard_ms == 1000) for one in found)
