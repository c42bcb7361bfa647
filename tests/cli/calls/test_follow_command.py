"""Following from a terminal: what becomes a line, which call is meant, what is said when nothing comes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

import httpx
import msgspec
import pytest

from callbridge.call import facts
from callbridge.call.bill_facts import Billed
from callbridge.call.facts import EndReason, Fact
from callbridge.call.memory import ToolStarted
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.usage import Usage
from callbridge.cli.calls import attaching, following, whereabouts
from callbridge.cli.calls.following import Notice, live_call, live_events
from callbridge.cli.calls.live_lines import LiveLines
from callbridge.cli.control_client import NoAnswerError, ServiceError
from callbridge.observe.feed import FeedEnded, FeedItem, LiveFact, LiveWords, ProcessLeaves, encode_event
from callbridge.records.story import CallStory, StreamPart

SIDS = ["CA" + "1" * 32, "CA" + "2" * 32, "CA3" + "1" * 31]


def told(*news: Fact | tuple[str, str]) -> list[str]:
    """The lines of facts and of words, each as who and what."""
    lines, found = LiveLines(), []
    for one in news:
        event: FeedItem
        if isinstance(one, tuple):
            by, words = one
            event = LiveWords(at=1.0, call_sid="CA1", by=by, item_id=by, words=words)  # type: ignore[arg-type]
        else:
            event = LiveFact(at=1.0, fact=one)
        found += [f"{line.who} {line.text}".strip() for line in lines.of(event)]
    return found


def turn(caller: str | None, agent: str, *, interrupted: bool = False) -> Fact:
    return facts.TurnEnded(2, caller, agent, 640, interrupted, call_sid="CA1")


def test_words_are_lines_by_the_sentence_and_told_once() -> None:
    """What was shown as it came is not told again with its turn, unless less of it was heard."""
    news: list[Fact | tuple[str, str]] = [
        *(("caller", "Do you "), ("caller", "have bread?"), ("agent", "We do."), ("agent", " Two")),
        facts.Interrupted((), (), 1200, call_sid="CA1"),
        turn("Do you have bread?", "We do.", interrupted=True),
        *(turn("Oh.", "Yes."), ("agent", "Wait,"), facts.CallOver(call_sid="CA1")),
    ]
    assert told(*news) == [
        *("caller “Do you have bread?”", "agent “We do.”", "agent “Two”"),
        "the caller speaks: 1.2 s of the answer are not heard",
        "turn 2 answered after 640 ms, interrupted; heard “We do.”",
        "turn 2 answered after 640 ms, caller “Oh.”, agent “Yes.”",
        *("agent “Wait,”", "the call is over"),
    ]


def test_what_is_news_is_a_line_and_what_is_not_is_none() -> None:
    """No peer's text reaches the terminal as it is."""
    ended = facts.StreamEnded(EndReason.AGENT_HANGUP, duration_ms=84_000, turns=3)
    assert told(
        facts.CallOffered("+********00", "+********99", agent="clinic"),
        facts.StreamStarted("+********00", "+********99", agent="clinic"),
        facts.Remembered(ToolStarted(1, "call_1", "look_up", '{"word":"\x1b[2Jbread"}')),
        facts.ToolUsed("look_up", 320, 10, ToolOutcome.TIMED_OUT),
        Billed(Usage(), 10),
        facts.ClipPlayed("no session yet"),
        ended,
    ) == [
        "a call from +********00 to +********99",
        "the stream begins: from +********00, answered by clinic",
        r'tool look_up({"word":"\x1b[2Jbread"}) …',
        "tool look_up timed out in 320 ms",
        "The caller was asked for a moment (waits_for no session yet)",
        "the stream has ended: agent hangup, after 1:24 min, 3 turns",
    ]  # fmt: skip


class Service:
    """What a service would answer to who follows."""

    def __init__(self, *events: FeedItem, then: Iterable[Sequence[FeedItem]] = ()) -> None:
        """With these events, and after them, to each who asks again, the next ones of `then`."""
        self.asked: list[str] = []
        self._events: Sequence[FeedItem] = events
        self._then = list(then)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url.raw_path, "ascii"))
        hello = (
            "event: hello\ndata: "
            + json.dumps({"type": "hello", "at": 1.0, "live_calls": SIDS})
            + "\n\n: still here\n\n"
        )
        texts = [f"event: x\ndata: {encode_event(event).decode()}\n\n" for event in self._events]
        if self._then:
            self._events = self._then.pop(0)
        return httpx.Response(200, text="".join([hello, *texts]))

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.answer), base_url="http://127.0.0.1:8081")


def events(service: Service, call_sid: str | None) -> list[FeedItem | str | None]:
    with service.client() as client:
        return followed(client, call_sid=call_sid, with_words=False)


def followed(
    *clients: httpx.Client, call_sid: str | None = None, with_words: bool = True
) -> list[FeedItem | str | None]:
    """The events, and notices as their words."""
    found = live_events(clients, call_sid, with_words=with_words)
    return [told.words if isinstance(told, Notice) else told[0] for told in found]


@pytest.mark.parametrize(
    ("last", "is_end"),
    [
        ([facts.CallOver()], True),
        ([facts.StreamEnded(EndReason.CALLER_HANGUP), facts.CallClosed(1)], True),
        ([facts.StreamEnded(EndReason.MODEL_LOST), facts.CallClosed(1)], False),
    ],
    ids=["over", "left", "goes on"],
)
def test_one_call_is_followed_to_its_end(last: Iterable[Fact], is_end: bool) -> None:
    of_it = (msgspec.structs.replace(fact, call_sid=SIDS[0]) for fact in last)
    news: list[FeedItem] = [
        *(LiveFact(at=1.0, fact=fact) for fact in of_it),
        FeedEnded(at=2.0, why="stopped"),
    ]
    service = Service(*news)
    assert events(service, SIDS[0]) == (news[:-1] if is_end else news)
    assert service.asked == [f"/calls/{SIDS[0]}/live?words=false"]
    assert events(service, None) == news


def test_a_call_is_named_by_its_end() -> None:
    with Service().client() as client:
        assert live_call([client], "222222") == SIDS[1]
        with pytest.raises(ServiceError, match=r"2 live calls end in '111'\. Live: 111111, 111111"):
            live_call([client], "111")
        with pytest.raises(ServiceError, match=r"No live call .* ends in 'abc'\. Live: 111111, 222222"):
            live_call([client], "abc")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (httpx.Response(401), "refuses: its CALLBRIDGE_CONTROL_KEY"),
        (httpx.Response(404, json={"error": "No such call."}), "No such call."),
        (httpx.Response(404, text="?"), "no callbridge that can be followed"),
    ],
)
def test_a_refusal_is_told_in_words(answer: httpx.Response, words: str) -> None:
    transport = httpx.MockTransport(lambda _: answer)
    client = httpx.Client(transport=transport, base_url="http://127.0.0.1:1")
    with client, pytest.raises(ServiceError, match=words):
        list(live_events([client], None, with_words=True))


def test_a_service_that_does_not_run_is_told_in_words() -> None:
    client = httpx.Client(base_url="http://127.0.0.1:1", trust_env=False)
    with client, pytest.raises(NoAnswerError, match=r"cannot be reached: .* Is it running"):
        list(live_events([client], None, with_words=True))


def test_the_events_of_all_workers_are_one_stream() -> None:
    """One call is picked out of all: it may move to another worker. Who cannot be asked is left out."""
    mine, other = (
        LiveFact(at=1.0, fact=facts.CallOver(call_sid=SIDS[0])),
        LiveFact(at=1.0, fact=facts.CallOver(call_sid=SIDS[1])),
    )
    stops = FeedEnded(at=2.0, why="stopped")
    here, there = Service(other, stops), Service(other, mine, stops)
    with here.client() as one, there.client() as two, httpx.Client(base_url="http://127.0.0.1:1") as gone:
        assert followed(one, gone, two, call_sid=SIDS[0]) == [mine]
        everything = followed(one, gone, two)
        assert sorted(everything, key=str) == sorted([other, stops, other, mine, stops], key=str)
        assert here.asked == ["/calls/live", "/calls/live"]
        with pytest.raises(NoAnswerError):
            list(live_events([gone, gone], None, with_words=True))


def test_who_takes_the_place_of_a_worker_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is replaced, its successor is lost without a word, and the next one carries the call to its end."""
    monkeypatch.setattr(attaching, "PAUSE_S", 0.0)
    first, second, last = (
        LiveFact(at=at, fact=facts.StreamStarted("+1", "+2", is_continued=at > 1, call_sid=SIDS[0]))
        for at in (1.0, 2.0, 3.0)
    )
    leaves, replaced = ProcessLeaves(at=1.5), FeedEnded(at=1.5, why="replaced")
    over, stops = LiveFact(at=4.0, fact=facts.CallOver(call_sid=SIDS[0])), FeedEnded(at=5.0, why="stopped")
    here = Service(first, leaves, replaced, then=[[second], [last, over, stops]])
    there = "http://127.0.0.1:8081"
    with here.client() as client:
        found = followed(client, call_sid=SIDS[0])
    news = [told for told in found if told not in (leaves, replaced)]
    assert news == [
        first,
        f"the process at {there} was replaced: the new one is followed as well",
        second,
        f"the process at {there} is lost, and a new one is awaited",
        f"a new process is at {there}, and followed",
        *(last, over),
    ]
    assert here.asked == [f"/calls/{SIDS[0]}/live", "/calls/live", "/calls/live"]


MOVED = CallStory(SIDS[0], "live", 1_795_000_000.0, streams=(StreamPart("MZ2", 62_000, process="web-2-cc"),))
HANDED_OVER = LiveFact(at=1.0, fact=facts.StreamEnded(EndReason.HANDED_OVER, call_sid=SIDS[0]))
GOES_ON = (
    r"the call goes on since \d\d:\d\d:42 at the machine web-2. "
    rf"To follow it, run this there: callbridge calls follow {SIDS[0]}"
)


@pytest.mark.parametrize("ending", [[FeedEnded(at=2.0, why="stopped")], []], ids=["stopped", "lost"])
def test_where_a_call_goes_on_is_told_though_its_service_has_ended(
    monkeypatch: pytest.MonkeyPatch, ending: list[FeedItem]
) -> None:
    """Its record is behind at first. One whose service is gone without a word is awaited there meanwhile."""
    monkeypatch.setattr(attaching, "PAUSE_S", 0.01)
    monkeypatch.setattr(whereabouts, "LOOK_S", 0.0)
    monkeypatch.setattr(following, "LOOK_S", 0.0)
    told = iter([None, msgspec.structs.replace(MOVED, streams=()), MOVED])
    service = Service(HANDED_OVER, *ending)
    with service.client() as client:
        notices = list(live_events([client], SIDS[0], lambda: next(told), with_words=True, has_others=True))
    assert isinstance(notices[-1], Notice)
    assert re.fullmatch(GOES_ON, notices[-1].words)
    assert next(told, None) is None, "and all of the record was read"


def test_where_there_is_one_machine_its_end_is_the_end() -> None:
    stops = FeedEnded(at=2.0, why="stopped")
    service = Service(HANDED_OVER, stops)
    with service.client() as client:
        found = list(live_events([client], SIDS[0], lambda: MOVED, with_words=True))
    assert [told if isinstance(told, Notice) else told[0] for told in found] == [HANDED_OVER, stops]
