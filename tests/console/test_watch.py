"""The pages of calls over HTTP: lists, one call, its sound in parts, the button; a live one as it goes."""

from __future__ import annotations

import asyncio
import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from starlette.testclient import TestClient

import stories
import watched
from callbridge.call.facts import CallOver, EndReason, StreamEnded, StreamStarted, TurnEnded
from callbridge.call.lived import SaidItem
from callbridge.console import call_book, event_stream, live_call
from callbridge.console.call_book import CallBook
from callbridge.console.event_stream import EventStream
from callbridge.console.live_call import LiveCall
from callbridge.observe.feed import Feed
from leftovers import until
from watched import KEY, Kept, watching

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = "http://127.0.0.1:8090"


@cache
def reader() -> TestClient:
    """One that changes nothing, for all tests that only read."""
    return browser(Kept([stories.RICH, watched.wordless_story()]))


def browser(kept: Kept) -> TestClient:
    app, _ = watching(kept)
    client = TestClient(app, HERE)
    client.get("/", params={"key": KEY})
    return client


ONE = f"/calls/{stories.SID}"


class TestList:
    def test_the_last_calls_stand_there_and_lead_to_theirs(self) -> None:
        text = reader().get("/calls").text
        assert re.findall(r'href="(/calls/CA\w+)"', text) == [ONE, "/calls/CA" + "c" * 32]
        assert "No call is on" in text
        assert "media lost" in text

    def test_words_are_looked_for_and_shown_again_as_they_were_typed(self) -> None:
        text = reader().get("/calls", params={"words": '"><i>', "ended": "agent_hangup"}).text
        assert 'value="&#34;&gt;&lt;i&gt;"' in text
        assert "No call has all of that" in text
        assert ONE in reader().get("/calls", params={"words": "doctor monday"}).text

    def test_pages_follow_each_other_and_keep_what_was_asked(self) -> None:
        many = [
            watched.numbered(stories.RICH, number) for number in range(120)
        ]  # fmt: skip
        client, seen, address = browser(Kept(many)), [], "/calls?words=doctor"
        while address:
            text = client.get(address).text
            seen += re.findall(r'href="/calls/(CA\w+)"', text)
            older = re.search(r'href="(\?[^"]*)">Older', text)
            address = "/calls" + older.group(1).replace("&amp;", "&") if older else ""
            assert not address or "words=doctor" in address
        assert seen == [story.call_sid for story in many]

    def test_records_that_are_away_are_told_and_no_fault(self) -> None:
        answer = browser(Kept([], trouble="The database does not answer.")).get("/calls")
        assert (answer.status_code, "The database does not answer." in answer.text) == (200, True)


class TestOneCall:
    def test_what_was_cut_is_marked_for_eyes_and_ears(self) -> None:
        text = reader().get(ONE).text
        assert '<span class="heard">Monday at half past nine is free. Shall</span>' in text
        assert '<del class="cut">I book it for you, or is another day better?</del>' in text
        assert "Not heard:" in text
        assert 'aria-label="Turn 2, at 0:04.0"' in text

    def test_no_style_and_no_script_stands_in_a_page(self) -> None:
        for path in ("/calls", ONE, "/calls/CA" + "c" * 32):
            text = reader().get(path).text
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), path

    def test_what_was_said_is_text_whatever_it_is(self) -> None:
        odd = watched.saying(stories.RICH, "<script>alert(1)</script> & more")
        text = browser(Kept([odd])).get(ONE).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in text
        assert "<script>alert" not in text

    def test_without_a_recording_the_page_says_why(self) -> None:
        text = reader().get("/calls/CA" + "c" * 32).text
        assert "There is no sound of this call: It was not recorded." in text
        assert "<audio" not in text
        assert 'class="seek"' not in text

    def test_a_call_that_nobody_knows(self) -> None:
        client = reader()
        for path in ("", "/audio.wav", "/call.json", "/live"):
            assert client.get("/calls/CAnone" + path).status_code == 404

    def test_the_story_as_json_is_whole(self) -> None:
        answer = reader().get(f"{ONE}/call.json")
        assert json.loads(answer.text)["turns"][1]["agent"][0]["heard_ms"] == 2400
        assert stories.SID in answer.headers["content-disposition"]


class TestSound:
    @pytest.mark.parametrize(
        ("wanted", "status", "part"),
        [
            ("", 200, slice(None)),
            ("bytes=0-99", 206, slice(0, 100)),
            ("bytes=100-", 206, slice(100, None)),
            ("bytes=-10", 206, slice(-10, None)),
            ("bytes=5-99999999", 206, slice(5, None)),
            ("bytes=0-1,5-6", 200, slice(None)),
            ("lines=1-2", 200, slice(None)),
        ],
    )
    def test_a_browser_gets_the_part_that_it_asks_for(self, wanted: str, status: int, part: slice) -> None:
        client = reader()
        whole = client.get(f"{ONE}/audio.wav").content
        answer = client.get(f"{ONE}/audio.wav", headers={"Range": wanted} if wanted else {})
        assert (answer.status_code, answer.content) == (status, whole[part])
        assert answer.headers["accept-ranges"] == "bytes"
        if status == 206:
            begin, end, size = map(int, re.findall(r"\d+", answer.headers["content-range"]))
            assert (size, end - begin + 1) == (len(whole), len(answer.content))

    @pytest.mark.parametrize("wanted", ["bytes=99999999-", "bytes=5-4"])
    def test_a_part_that_there_is_not(self, wanted: str) -> None:
        assert reader().get(f"{ONE}/audio.wav", headers={"Range": wanted}).status_code == 416

    def test_it_begins_with_the_call_and_is_as_long(self) -> None:
        wav = reader().get(f"{ONE}/audio.wav").content
        assert (wav[:4], wav[20:24]) == (b"RIFF", b"\x07\x00\x02\x00")
        assert (len(wav) - 58) / 16 == stories.RICH.duration_ms


class TestButton:
    def test_a_call_becomes_a_test_once(self) -> None:
        client = browser(Kept([stories.RICH]))
        text = client.post(f"{ONE}/test").text
        assert "<code>callbridge test tests/a_call.call.toml</code>" in text
        again = client.post(f"{ONE}/test").text
        assert 'role="alert">tests/a_call.call.toml is there already.' in again

    def test_no_other_page_presses_it(self) -> None:
        kept = Kept([stories.RICH])
        answer = browser(kept).post(f"{ONE}/test", headers={"Origin": "https://evil.example"})
        assert (answer.status_code, kept.frozen) == (403, [])


# --- Live -----------------------------------------------------------------------------------------------


class Line:
    """A feed that a test speaks into."""

    def __init__(self) -> None:
        self.now, self._numbers = 1_795_000_000.0, 0
        self.feed = Feed(lambda: self.now)

    def fact(self, fact: Any, call_sid: str = "CA1") -> None:
        self._numbers += 1
        self.now += 1
        at_ms = self._numbers * 1000
        self.feed(
            msgspec.structs.replace(fact, call_sid=call_sid, source="MZ1", number=self._numbers, at_ms=at_ms)
        )

    def says(self, by: str, words: str, item_id: str = "i1", call_sid: str = "CA1") -> None:
        hear = self.feed.hearer(call_sid)
        assert hear is not None, "somebody listens"
        hear(by, item_id, words)  # type: ignore[arg-type]  # One of the two.


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
async def book(line: Line) -> AsyncIterator[CallBook]:
    book = CallBook(lambda sid, with_words: line.feed.subscribe(sid, with_words=with_words))
    async with book.kept():
        await asyncio.sleep(0)
        yield book


async def live(book: CallBook, line: Line) -> LiveCall:
    line.fact(StreamStarted("+15550100", "+15550199", agent="clinic"))
    assert await until(lambda: book.find("CA1") is not None)
    call = book.find("CA1")
    assert call is not None
    return LiveCall(book, call)


async def test_words_are_shown_as_they_come_until_their_turn_is_told(book: CallBook, line: Line) -> None:
    page = await live(book, line)
    with book.listening():
        assert await until(lambda: line.feed.hearer("CA1") is not None)
        seen = (await page.now()).changes
        line.says("agent", "Good ")
        line.says("agent", "day <b>.")
        assert await until(lambda: page.call.changes == seen + 2)
        seen, parts, is_over = await page.since(seen)
        assert "Good day &lt;b&gt;." in parts
        assert 'id="saying"' in parts
        assert "course" not in parts, "nothing else is sent"
        line.fact(
            TurnEnded(1, None, "Good day.", None, False, items=(SaidItem("i1", "Good day.", "Good day."),))
        )
        assert await until(lambda: page.call.changes == seen + 1)
        _, parts, is_over = await page.since(seen)
    assert 'id="turn-1"' in parts
    assert "Good day &lt;b&gt;" not in parts
    assert not is_over
    assert await until(lambda: line.feed.hearer("CA1") is None)


async def test_a_row_that_changes_is_sent_alone(book: CallBook, line: Line) -> None:
    page = await live(book, line)
    for turn in range(1, 30):
        line.fact(TurnEnded(turn, f"words {turn}", "heard", None, False))
    assert await until(lambda: len(page.call.rows) == 30)
    seen = (await page.now()).changes
    line.fact(TurnEnded(30, "the last words", "heard", None, False))
    assert await until(lambda: len(page.call.rows) == 31)
    _, parts, _ = await page.since(seen)
    assert "the last words" in parts
    assert "words 29" not in parts


async def test_all_who_look_share_one_making_and_who_is_behind_gets_all(
    book: CallBook, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_call, "STEPS_KEPT", 4)
    page = await live(book, line)
    first = (await page.now()).changes
    counts: list[int] = []
    for turn in range(7):
        line.fact(TurnEnded(turn + 1, f"words {turn + 1}", "heard", None, False))
        assert await until(lambda turn=turn: len(page.call.rows) == turn + 2)  # type: ignore[misc]  # The turn of now.
        told = await asyncio.gather(*(page.since(first if not counts else counts[-1]) for _ in range(10)))
        assert len(set(told)) == 1
        counts.append(told[0][0])
    _, parts, _ = await page.since(first)
    assert 'id="course" hx-swap-oob="innerHTML"' in parts
    _, parts, _ = await page.since(counts[-3])
    assert 'id="course"' not in parts


async def test_a_call_that_ends_is_over_for_its_page_and_stays_known(book: CallBook, line: Line) -> None:
    page = await live(book, line)
    assert [story.call_sid for story in await book.live()] == ["CA1"]
    line.fact(StreamEnded(EndReason.CALLER_HANGUP, is_admitted=True))
    line.fact(CallOver())
    assert await until(lambda: len(page.call.rows) == 3)
    assert (await page.since(-1))[2]
    assert await book.live() == []
    story = await book.story("CA1")
    assert story is not None
    assert story.end_reason == "caller_hangup"


async def test_the_log_of_a_call_comes_line_by_line(book: CallBook, line: Line) -> None:
    page = await live(book, line)
    seen = (await page.now()).changes
    told = {"event": "tool_used", "level": "warning", "timestamp": "2026-11-28T23:00:00Z", "call_sid": "CA1"}
    await asyncio.to_thread(book.log_line, told | {"name": "find_slot"})
    book.log_line(told | {"call_sid": "CA9"})
    book.log_line({"event": "of no call"})
    assert await until(lambda: page.call.changes > seen)
    _, parts, _ = await page.since(seen)
    assert parts.count("<li") == 1
    assert re.search(r'class="log-warning">[^<]*tool_used[^<]*name=find_slot', parts)


async def test_the_book_is_bounded_and_live_calls_stay_in_it(
    book: CallBook, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_book, "CALLS_MAX", 4)
    await live(book, line)
    for number in range(9):
        sid = f"CA{number:05}"
        line.fact(StreamEnded(EndReason.CALLER_HANGUP, is_admitted=True), sid)
        assert await until(lambda sid=sid: book.find(sid) is not None)  # type: ignore[misc]  # That of now.
        await book.story(sid)
    assert book.find("CA1") is not None
    assert book.find("CA00000") is None
    assert len([number for number in range(9) if book.find(f"CA{number:05}")]) == 3


async def test_when_the_pages_end_whoever_looks_is_told(book: CallBook, line: Line) -> None:
    page = await live(book, line)
    waiting = asyncio.ensure_future(page.call.changed(page.call.changes))
    await asyncio.sleep(0)
    line.feed.close()
    await asyncio.sleep(0.01)
    assert not waiting.done(), "what a service has left stays to be looked at"
    book.close()
    await asyncio.wait_for(waiting, 2)


# --- Streams --------------------------------------------------------------------------------------------


class Peer:
    """A browser's end of a stream; it may stop reading."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.reads, self.left = asyncio.Event(), asyncio.Event()
        self.reads.set()

    async def send(self, message: dict[str, Any]) -> None:
        await self.reads.wait()
        self.got.append(message)

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def read(self, stream: EventStream) -> None:
        await stream({}, self.receive, self.send)  # type: ignore[arg-type]  # As much of ASGI as it asks for.

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.got).decode()


async def test_a_browser_that_does_not_read_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "NOT_READ_S", 0.02)
    asked = 0

    async def next_message() -> str | None:
        nonlocal asked
        asked += 1
        peer.reads.clear()
        return event_stream.message("parts", "one\ntwo")

    peer = Peer()
    async with asyncio.timeout(2):
        await peer.read(EventStream(next_message))
    assert asked == 1, "what is not read is not made"
    assert peer.text == "retry: 500\n\n"


async def test_an_end_and_a_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.01)
    messages = iter([event_stream.message("parts", "one\ntwo"), None])

    async def next_message() -> str | None:
        await asyncio.sleep(0 if "still here" in peer.text else 0.02)
        return next(messages)

    peer = Peer()
    await peer.read(EventStream(next_message))
    assert peer.text.replace(": still here\n\n", "") == "retry: 500\n\nevent: parts\ndata: one\ndata: two\n\n"
    assert ": still here\n\n" in peer.text
    assert peer.got[-1]["more_body"] is False


async def test_a_browser_that_leaves_ends_its_stream() -> None:
    peer, waits = Peer(), asyncio.Event()

    async def next_message() -> str | None:
        await waits.wait()
        return None

    reading = asyncio.ensure_future(peer.read(EventStream(next_message)))
    assert await until(lambda: bool(peer.text))
    peer.left.set()
    await asyncio.wait_for(reading, 2)
