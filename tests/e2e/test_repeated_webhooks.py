"""Webhooks that come twice, late, or from a stranger who has captured them; and calls that somebody moves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from callbridge.call.facts import CallOffered, CallOver, EndReason, StreamAsked, StreamEnded, StreamReported
from callbridge.simulators.phone import Misbehaviour, Pause, WaitForAgent, WaitForEnd
from callbridge.simulators.phone.events import AgentAudioStarted
from callbridge.state.memory_state import MemoryState
from callbridge.switchboard.continuation import read_facts
from e2e.processes import small_talk
from e2e.raw import ask_for_token, asked_of, media, media_socket, send, start
from e2e.stack import CONNECTED_AND_ENDED, UNDIALLED, hello_and_goodbye, stack
from leftovers import until

if TYPE_CHECKING:
    from callbridge.call.facts import Fact
    from callbridge.simulators.phone import PhoneEvent

pytestmark = pytest.mark.usefixtures("nothing_left")

SID = "CA" + "3" * 32
HELLO_AND_GOODBYE = hello_and_goodbye()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream is dead after 100 ms without a frame, and alive after 300 ms with some."""
    monkeypatch.setattr("callbridge.switchboard.liveness.SILENT_S", 0.1)
    monkeypatch.setattr("callbridge.switchboard.liveness.WAIT_S", 0.3)


async def sent_again(*captured: httpx.Request) -> list[str]:
    """Captured requests at once, byte for byte, but for the header that nobody signs."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answers = [
            client.request(
                request.method,
                request.url,
                headers={**request.headers, "I-Twilio-Idempotency-Token": str(number)},
                content=request.content,
            )
            for number, request in enumerate(captured)
        ]
        return [answer.text for answer in await asyncio.gather(*answers)]


async def webhooks_facts(state: MemoryState, call_sid: str) -> list[Fact]:
    """What webhooks have written of a call, but for the mark that its words are dropped."""
    found = [fact for _, fact in read_facts(await state.events(call_sid)) if fact.source == "http"]
    return [fact for fact in found if not isinstance(fact, CallOver)]


async def test_a_call_of_which_every_webhook_comes_twice_or_late() -> None:
    """The call is an ordinary one, and each thing is written down once."""
    state = MemoryState()
    misbehaviours = frozenset({Misbehaviour.WEBHOOK_TWICE, Misbehaviour.LATE_CALLBACKS})
    async with stack(HELLO_AND_GOODBYE, state=state) as running:
        call = await running.call([WaitForEnd()], misbehaviours=misbehaviours)
        facts = await webhooks_facts(state, call.sid)
    assert (call.verbs, call.report.is_clean) == (CONNECTED_AND_ENDED, True)
    assert len(running.model.sessions) == 1
    assert len(await state.recent_calls(0.0)) == 1
    assert [type(fact) for fact in facts[:2]] == [CallOffered, StreamAsked]
    told = [fact.status for fact in facts if isinstance(fact, StreamReported)]
    assert told == ["stream-stopped", "stream-started"]
    assert len(facts) == 5


async def test_fifty_replays_of_a_webhook_give_one_token() -> None:
    """While the call is on they say what was said, and the call does not notice; then they begin nothing."""
    state = MemoryState()
    replays: list[asyncio.Task[list[str]]] = []
    async with stack(HELLO_AND_GOODBYE, state=state) as running, asyncio.TaskGroup() as tasks:

        def replay(event: PhoneEvent) -> None:
            if isinstance(event, AgentAudioStarted) and not replays:
                replays.append(tasks.create_task(sent_again(*[phone.requests[0]] * 50)))

        phone = running.phone([WaitForEnd()], on_event=replay)
        call = await running.finish(phone)
        facts = await webhooks_facts(state, call.sid)
        action = next(request for request in phone.requests if "stream-ended" in str(request.url))
        late = await sent_again(phone.requests[0], action)
        assert await webhooks_facts(state, call.sid) == facts
        assert len(running.model.sessions) == 1
    assert replays[0].result() == [phone.documents[0]] * 50
    assert all("<Hangup" in document and "<Connect" not in document for document in late)
    assert (call.verbs, call.ended.reason) == (CONNECTED_AND_ENDED, EndReason.AGENT_HANGUP)
    assert [type(fact) for fact in facts].count(CallOffered) == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("query", ["", "?stream=1"])
async def test_nobody_ends_a_stream_that_is_heard(query: str) -> None:
    """Whoever says that it has ended: it is not told, and nothing is given away."""
    replays: list[asyncio.Task[str]] = []
    state = MemoryState()
    async with stack(HELLO_AND_GOODBYE, state=state) as running, asyncio.TaskGroup() as tasks:

        def replay(event: PhoneEvent) -> None:
            if isinstance(event, AgentAudioStarted) and not replays:
                asked = asked_of(running, "/twilio/stream-ended", phone.line.call_sid, "in-progress", query)
                replays.append(tasks.create_task(asked))

        phone = running.phone([WaitForEnd()], on_event=replay)
        call = await running.finish(phone)
        facts = await webhooks_facts(state, call.sid)
    assert replays[0].result().count("<Redirect") == 1
    assert (call.verbs, call.ended.reason) == (CONNECTED_AND_ENDED, EndReason.AGENT_HANGUP)
    assert call.stream.playback.heard_bytes(asyncio.get_running_loop().time()) == 900 * 8
    assert [fact.follows for fact in facts if isinstance(fact, StreamAsked)] == ["hang_up"]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("status", "reason", "follows"),
    [
        ("completed", EndReason.CALLER_HANGUP, "hang_up"),
        ("in-progress", EndReason.MEDIA_LOST, "resume"),
    ],
)
async def test_a_stream_that_hangs_in_the_air(status: str, reason: EndReason, follows: str) -> None:
    """Twilio has ended it, and its socket stays open: what Twilio asks says whether the caller is gone."""
    state = MemoryState()
    async with stack(small_talk("hanging"), state=state, environment=UNDIALLED) as running:
        token = await ask_for_token(running, SID)
        async with media_socket(running) as socket:
            await send(socket, start(SID, token), *[media(SID)] * 3)
            assert await until(lambda: running.model.sessions != [])
            await asked_of(running, "/twilio/stream-ended", SID, status, "?stream=1")
            assert await until(lambda: running.ends != [])
        facts = await webhooks_facts(state, SID)
    assert [end.reason for end in running.ends] == [reason]
    assert [fact.follows for fact in facts if isinstance(fact, StreamAsked)] == [follows]


async def test_a_call_that_somebody_moves() -> None:
    """Redirected over Twilio's REST API, here to where it began: nothing is done to it when Twilio asks about
    the stream, and the agent goes on where it was.
    """
    state = MemoryState()
    moved: list[str] = []
    async with stack(small_talk("moved", answers=6), state=state) as running:

        def move(event: PhoneEvent) -> None:
            if isinstance(event, AgentAudioStarted) and not moved:
                moved.append("once")
                asyncio.get_running_loop().call_later(0.2, phone.redirect, running.settings.voice_url)

        phone = running.phone([WaitForAgent(), WaitForAgent(), Pause(100)], on_event=move)
        report_of = asyncio.create_task(running.finish(phone))
        assert await until(lambda: len(running.ends) == 1)
        assert await until(lambda: len(phone.streams) == 2 and phone.streams[1].playback.payloads != [], 8)
        phone.hang_up()
        call = await report_of
        facts = await webhooks_facts(state, call.sid)
    asked = [fact.follows for fact in facts if isinstance(fact, StreamAsked)]
    assert asked[:2] == ["moved", "resume"]
    assert call.verbs == ["Connect/Stream", "Pause", "Redirect", "Connect/Stream"]
    ends = [fact.reason for fact in call.facts if isinstance(fact, StreamEnded)]
    assert ends == [EndReason.CALLER_HANGUP, EndReason.CALLER_HANGUP]
