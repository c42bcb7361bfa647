"""What was heard of which item: found again in the order of the items, clips of the bridge told apart."""

from __future__ import annotations

import random

import pytest

from callbridge.simulators.phone.playback import Playback
from callbridge.simulators.truth import AudioChangedError, heard_call, heard_items
from callbridge.simulators.voice_model import Item

RNG = random.Random(3)
FIRST, SECOND, THIRD = (RNG.randbytes(8 * 400) for _ in range(3))
CLIP = RNG.randbytes(8 * 250)
AT = 100.0


def spoken(name: str, audio: bytes, *, sent: int | None = None) -> Item:
    """An item of the model."""
    count = len(audio) if sent is None else sent
    return Item(name, "message", "assistant", audio=audio, sent_bytes=count, is_spoken=True)


def played(*payloads: bytes) -> Playback:
    """A phone that got these payloads at the beginning."""
    playback = Playback()
    for audio in payloads:
        playback.add(audio, 0.0)
    return playback


ITEMS = [spoken("a", FIRST), Item("u", "message", "user", audio=CLIP), spoken("b", SECOND)]


def test_each_payload_counts_for_its_item() -> None:
    """Also when the end of an item never came; items of the caller are none."""
    first, second = heard_items(played(FIRST[:800], FIRST[800:1600], SECOND), ITEMS, AT)
    assert (first.item_id, first.received_ms, first.heard_ms) == ("a", 200, 200)
    assert not first.was_heard_to_its_end
    assert (second.item_id, second.received_ms, second.was_heard_to_its_end) == ("b", 400, True)


@pytest.mark.parametrize(
    "payloads",
    [(bytes(160),), (FIRST[:800], FIRST[801:1600]), (SECOND, FIRST), (FIRST[:800], CLIP), (FIRST[800:1600],)],
    ids=["strange", "a byte is missing", "another order", "the caller's own", "without its beginning"],
)
def test_changed_audio_is_found_out(payloads: tuple[bytes, ...]) -> None:
    with pytest.raises(AudioChangedError, match="is not what the model sent there"):
        heard_items(played(*payloads), ITEMS, AT)


@pytest.mark.parametrize(
    "pieces",
    [
        (CLIP,),
        tuple(CLIP[at : at + 160] for at in range(0, len(CLIP), 160)),
        (CLIP[:800], CLIP[800:]),
        (CLIP[320:640],),
        (CLIP, CLIP),
    ],
    ids=["whole", "frames", "halves", "one piece", "twice"],
)
def test_a_clip_is_passed_over_and_counted(pieces: tuple[bytes, ...]) -> None:
    """In the middle of an item, and the item goes on behind it."""
    playback = played(FIRST[:1600], *pieces, FIRST[1600:], SECOND)
    call = heard_call([(playback, AT)], ITEMS, [SECOND[::-1], CLIP])
    assert [item.received_ms for item in call.items] == [400, 400]
    assert call.clip_ms == call.clip_heard_ms == sum(map(len, pieces)) / 8
    assert heard_items(playback, ITEMS, AT, clips=(CLIP,)) == call.items


@pytest.mark.parametrize(
    "piece", [CLIP[80:240], CLIP[:100], CLIP[160:400], CLIP[:-1] + b"\x00", CLIP + CLIP[:160]]
)
def test_a_changed_clip_is_changed_audio(piece: bytes) -> None:
    """Pieces begin at a frame, are frames or reach the end, and are no more than the clip."""
    with pytest.raises(AudioChangedError):
        heard_items(played(FIRST, piece), ITEMS, AT, clips=(CLIP,))


def test_an_item_that_goes_on_is_no_clip() -> None:
    """A clip that is also what the model says is counted for the model."""
    call = heard_call([(played(FIRST), AT)], ITEMS, clips=[FIRST])
    assert (call.items[0].heard_ms, call.clip_ms) == (400, 0)


def test_several_sessions_are_one_row_of_items() -> None:
    """The first session breaks off in mid-item, a clip is played, and the second speaks."""
    first_session, second_session = [spoken("a", FIRST, sent=1600)], [spoken("c", THIRD)]
    playback = played(FIRST[:1600], CLIP, THIRD)
    first, second = heard_items(playback, [*first_session, *second_session], AT, clips=(CLIP,))
    assert (first.sent_ms, first.heard_ms) == (200, 200)
    assert second.was_heard_to_its_end


def test_several_streams_are_one_row_of_payloads() -> None:
    """Each with its own end: what was not heard of the first stream is not heard in the second."""
    call = heard_call(
        [(played(FIRST, SECOND[:800]), 0.45), (played(THIRD), AT)], [*ITEMS, spoken("c", THIRD)]
    )
    assert [item.heard_ms for item in call.items] == [400, 50, 400]
    assert [item.received_ms for item in call.items] == [400, 100, 400]
