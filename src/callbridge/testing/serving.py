"""One call with all that it needs: the service, its model and its caller, in the loop that runs this."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from callbridge.agents.choosing.gathering import roster_of
from callbridge.agents.choosing.loading import load_roster
from callbridge.agents.languages.texts import clip_of
from callbridge.bridge.own_sounds import audio_of
from callbridge.call.actions import OwnSound
from callbridge.call.facts import HTTP
from callbridge.observe.feed import LiveFact
from callbridge.records.telling import StoredFact, tell
from callbridge.server.config.clip import load_clip
from callbridge.server.config.prices import read_prices
from callbridge.server.config.settings import find_variables, read_settings
from callbridge.server.http.app import create_app, follow
from callbridge.server.process.listening.listening import tcp_listener, uvicorn_config
from callbridge.server.process.listening.serving import serving
from callbridge.simulators.phone import CallSettings, SimulatedCall, StreamSettings
from callbridge.simulators.phone.recording import tracks
from callbridge.simulators.voice_model import Script, SessionSettings, serve_model
from callbridge.testing.around import around_call
from callbridge.testing.call_data import Complaint
from callbridge.testing.calling import CallerWords
from callbridge.testing.complaints import complaints_of, in_order
from callbridge.testing.doubles import Doubles
from callbridge.testing.effects import Affected
from callbridge.testing.listening import is_more_to_come_from
from callbridge.testing.logged import line_of, logged
from callbridge.testing.persona.casting import goal_of, introduce, prompter_of, who_calls
from callbridge.testing.persona.persona import Persona, RealModel
from callbridge.testing.persona.real_words import real_words
from callbridge.testing.played import PlayedCall
from callbridge.testing.virtual.loop import VirtualLoop
from callbridge.wire.audio import silence

if TYPE_CHECKING:
    import datetime as dt
    import socket
    from collections.abc import Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from callbridge.agents.choosing.choice import Roster
    from callbridge.agents.choosing.gathering import Answering
    from callbridge.observe.feed import Subscription
    from callbridge.server.config.settings import Settings
    from callbridge.simulators.phone import Caller, CallReport, Person
    from callbridge.simulators.voice_model.server import ModelServer
    from callbridge.testing.around import Around
    from callbridge.testing.calling import AudioOf
    from callbridge.testing.doubles import DoubleOf
    from callbridge.testing.effects import Effect
    from callbridge.testing.keeping import Kept
    from callbridge.testing.logged import LogLine
    from callbridge.testing.persona.casting import CallerPart, ModelPart
    from callbridge.testing.persona.real_words import RealWords
    from callbridge.testing.persona.text_models import TextModels
    from callbridge.testing.prompting import MovesPrompter

API_KEY: Final = "sk-" + "t" * 48
ACCOUNT_SID: Final = "AC" + "7" * 32
AUTH_TOKEN: Final = "7" * 32

REAL_PACE: Final = 0.1
"""Over real sockets a ring of 20 s takes 2 s."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be played."""

    answering: Answering | str | Path
    caller: CallerPart = ()
    model: ModelPart = ()
    audio_of: AudioOf
    """Makes the caller's words audible."""
    voice: Callable[[str], bytes]
    """The same of the model's."""
    effects: Sequence[Effect] = ()
    """What is not perfect about the caller and their line."""
    people: Mapping[str, str | Person | Sequence[Person]] | None = None
    """Who can be rung. None: the account is not there either."""
    tools: Mapping[str, DoubleOf] | None = None
    """What runs in place of which tools."""
    seed: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the service, by the names of their variables."""
    from_number: str = "+15550100001"
    to_number: str = "+15550100002"
    after_s: float | None = None
    """After the call before it."""
    at: dt.datetime | None = None
    """The date on which it is placed."""
    max_call_s: float = 300.0
    title: str = "call"
    text_models: TextModels | None = None
    """Who plays a persona, or improvises the model's answers."""


def variables(port: int, model_url: str, more: Mapping[str, str]) -> dict[str, str]:
    """The environment of the service: accounts of nobody, loopback addresses, and what a test sets."""
    usual = {
        "OPENAI_API_KEY": API_KEY,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{port}",
        "CALLBRIDGE_HOST": "127.0.0.1",
        "PORT": str(port),
        "CALLBRIDGE_REALTIME_URL": model_url,
        "CALLBRIDGE_TWILIO_REST": "false",
        "CALLBRIDGE_FALLBACK_VOICEMAIL": "false",
        # One caller makes all calls of a test.
        "CALLBRIDGE_CALLS_PER_CALLER": "0",
        "CALLBRIDGE_CALLS_PER_CALLER_10_MINUTES": "0",
        "CALLBRIDGE_CALLS_PER_CALLER_DAY": "0",
    }
    return {**usual, **more}


def with_account(api_url: str, number: str) -> dict[str, str]:
    """What the service is told of its account, where there is one to be asked."""
    return {
        "CALLBRIDGE_TWILIO_REST": "true",
        "CALLBRIDGE_TWILIO_API_URL": api_url,
        "CALLBRIDGE_TEXT_FROM": number,
        "CALLBRIDGE_FALLBACK_CALLER_ID": number,
    }


@dataclass
class Finished:
    """A call that is over, as its sides have left it."""

    order: Order
    settings: Settings
    phone: SimulatedCall
    report: CallReport
    model: ModelServer
    prompter: MovesPrompter
    stored: tuple[StoredFact, ...]
    goal: str
    around: Around | None
    log: tuple[LogLine, ...] = ()


async def play(order: Order, kept: Kept) -> PlayedCall:
    """Plays one call in this loop.

    Args:
        order: what is to be played.
        kept: what its line keeps.

    Raises:
        SettingsError: the settings of the test cannot be used.
    """
    loop = asyncio.get_running_loop()
    kept.begin(order.after_s, order.at)
    try:
        secrets = (API_KEY, AUTH_TOKEN, order.settings.get("OPENAI_API_KEY", API_KEY))
        with logged(loop.time, secrets) as lines, contextlib.ExitStack() as parts:
            if order.text_models is not None:
                parts.callback(order.text_models.close)
            finished = await _served(order, kept)
        placed_at = finished.phone.placed_at
        log = tuple(line_of(at - placed_at, text) for at, text in lines)
        return _put_together(replace(finished, log=log), placed_at + kept.wall_now() - loop.time())
    finally:
        kept.end()


async def _served(order: Order, kept: Kept) -> Finished:
    """Starts the model and the service, places the call, and stops them all again."""
    clock, wall_clock = asyncio.get_running_loop().time, kept.wall_now
    words = CallerWords(clock)
    prompter = prompter_of(order.model, order.text_models, words, order.voice)
    heard = SessionSettings(seed=order.seed, keep_audio=True)
    roster = roster_for(order.answering, order.settings)
    doubles = Doubles(order.tools or {}, [agent for _, agent in roster.all_agents])
    async with contextlib.AsyncExitStack() as opened:
        model = await opened.enter_async_context(
            serve_model(Script(), settings=heard, prompter=lambda: prompter, wall_clock=wall_clock)
        )
        around = await _around(order, opened, wall_clock)
        listener = opened.enter_context(contextlib.closing(_listener()))
        settings = _settings(order, listener, model.url, around)
        app = create_app(settings, roster, state=kept.state(settings), clock=clock, wall_clock=wall_clock)
        opened.enter_context(doubles.in_place())
        events = opened.enter_context(follow(app, with_words=False))
        phone, caller = _phone(order, settings, words, is_more_to_come_from(model, clock), around)
        async with (
            serving(uvicorn_config(app, settings), listener),
            _real_words(order, partial(follow, app)) as real,
        ):
            introduce(caller, prompter, phone, model.sessions, clock, real)
            report = await phone.run()
            if around is not None:
                await around.let_go()
        stored = await _stored(events, report.call_sid)
    return Finished(order, settings, phone, report, model, prompter, stored, goal_of(caller), around)


async def _around(
    order: Order, opened: contextlib.AsyncExitStack, wall_clock: Callable[[], float]
) -> Around | None:
    """People and the account, where a test has any."""
    if order.people is None:
        return None
    return await opened.enter_async_context(
        around_call(
            (ACCOUNT_SID, AUTH_TOKEN),
            order.to_number,
            order.people,
            opened.enter_context(contextlib.closing(_listener())),
            wall_clock,
            pace=1.0 if _is_virtual() else REAL_PACE,
        )
    )


def _settings(order: Order, listener: socket.socket, model_url: str, around: Around | None) -> Settings:
    more = {} if around is None else with_account(around.api_url, order.to_number)
    settings = read_settings(variables(listener.getsockname()[1], model_url, {**more, **order.settings}))
    if around is not None:
        around.lead(settings.voice_url)
    return settings


def roster_for(answering: Answering | str | Path, settings: Mapping[str, str]) -> Roster:
    """Who answers, of what a test may write for them.

    Raises:
        AgentError: it answers no call, or cannot be loaded.
    """
    if isinstance(answering, str | Path):
        return load_roster(str(answering), {**find_variables().values, **settings})
    return roster_of(answering)


def _real_words(
    order: Order, follow_words: Callable[[], Subscription]
) -> AbstractAsyncContextManager[RealWords | None]:
    """What the real voice model says, where that answers; with the simulated one the phone is the witness."""
    return real_words(follow_words()) if isinstance(order.model, RealModel) else contextlib.nullcontext()


def _listener() -> socket.socket:
    """Where the service listens: in the network of the loop, if it has one of its own."""
    loop = asyncio.get_running_loop()
    # uvicorn asks it for its address, and hands it back to the loop.
    return cast("socket.socket", loop.network.listener()) if isinstance(loop, VirtualLoop) else tcp_listener()


def _is_virtual() -> bool:
    return isinstance(asyncio.get_running_loop(), VirtualLoop)


def _phone(
    order: Order,
    settings: Settings,
    words: CallerWords,
    is_more_to_come: Callable[[], bool],
    around: Around | None,
) -> tuple[SimulatedCall, Caller]:
    """The phone, and who calls by it, without what the line does to their voice."""
    affected = Affected(order.effects, order.seed)
    voices: list[bytes] = []

    def audio_of(text: str, file: str) -> bytes:
        voices.append(affected.voice(order.audio_of(text, file)))
        return voices[-1]

    caller = who_calls(
        order.caller,
        order.text_models,
        words,
        audio_of,
        is_more_to_come,
        is_live=not _is_virtual(),
        stays=bool(order.people),
    )
    line = CallSettings(
        account_sid=ACCOUNT_SID,
        auth_token=AUTH_TOKEN,
        from_number=order.from_number,
        to_number=order.to_number,
        status_callback_url=settings.call_status_url,
        stream=StreamSettings(clips=clips_of(settings)),
        network=affected.network,
        max_call_s=order.max_call_s,
        exchange=None if around is None else around.exchange,
        verb_time=0.0 if around is None else around.pace,
    )
    return SimulatedCall(settings.voice_url, affected.caller(caller, voices), line), caller


def clips_of(settings: Settings) -> tuple[bytes, ...]:
    """What the service plays of its own."""
    clip = load_clip(settings.clip) if settings.clip else clip_of(settings.language)
    return clip, audio_of(OwnSound.AT_WORK), audio_of(OwnSound.ON_HOLD)


async def _stored(events: Subscription, call_sid: str) -> tuple[StoredFact, ...]:
    """The facts of the call, numbered as a store would: those of webhooks have no numbers of their own."""
    stored: list[StoredFact] = []
    async for event in events:
        if not isinstance(event, LiveFact) or event.fact.call_sid != call_sid:
            continue
        number = len(stored) + 1 if event.fact.source == HTTP else event.fact.number
        stored.append(StoredFact(event.fact.source, number, event.at, event.fact))
    return tuple(stored)


def _put_together(finished: Finished, placed_at: float) -> PlayedCall:
    """The call as a test gets it; `placed_at` in seconds since 1970."""
    phone, report = finished.phone, finished.report
    story = tell(report.call_sid, finished.stored, read_prices(finished.settings.prices).list)
    caller, heard = tracks(phone.streams)
    opened = [stream.opened_at for stream in phone.streams if stream.opened_at is not None]
    before = silence(round((min(opened) - phone.placed_at) * 1000)) if opened else b""
    call = PlayedCall(
        story=story,
        stored=finished.stored,
        phone=report,
        streams=tuple(phone.streams),
        sessions=tuple(finished.model.sessions),
        caller_audio=before + caller,
        heard_audio=before + heard,
        log=finished.log,
        complaints=(),
        story_from_ms=round((story.began_at - placed_at) * 1000) if finished.stored else 0,
        seed=finished.order.seed,
        title=finished.order.title,
        has_real_model=isinstance(finished.order.model, RealModel),
        persona=finished.order.caller if isinstance(finished.order.caller, Persona) else None,
        goal=finished.goal,
        people=() if finished.around is None else finished.around.people,
        texts=() if finished.around is None else finished.around.texts,
        exchanges=tuple(finished.order.text_models.exchanges) if finished.order.text_models else (),
    )
    max_call_s = finished.order.max_call_s
    found = [
        *complaints_of(call, finished.prompter, phone.placed_at, max_call_s),
        *_of_the_account(finished.around, placed_at),
    ]
    return replace(call, complaints=in_order(found))


def _of_the_account(around: Around | None, placed_at: float) -> list[Complaint]:
    alerts = () if around is None else around.alerts
    return [
        Complaint("carrier", f"{alert.code} {alert.detail}", round((alert.at - placed_at) * 1000))
        for alert in alerts
    ]
