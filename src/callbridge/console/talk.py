"""The browser phone: its page, what the page asks while it calls, and the socket on which it speaks.

The page is Twilio's side of a call: it plays, echoes marks, empties its buffer. What Twilio does besides, to
ask webhooks and to carry out what they answer, is done by whoever is given as `Talking`.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol, TypeAlias

import msgspec
from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketClose

from callbridge.call.facts import ToolUsed
from callbridge.console.event_stream import EventStream, message
from callbridge.console.pages import page
from callbridge.observe.feed import LiveFact, LiveWords

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from callbridge.observe.feed import Subscription

TALK_PATH: Final = "/talk"
MEDIA_PATH: Final = "/talk/media"

MEDIA_PROTOCOL: Final = "callbridge.media"
TOKEN_PROTOCOL: Final = "callbridge.token."  # noqa: S105  # What stands before one.
"""A browser can send no header of its own with a socket's upgrade, but it can name subprotocols."""

BODY_BYTES_MAX: Final = 4096
TYPED_CHARACTERS_MAX: Final = 500
KEYS_MAX: Final = 40

BrowserSocket: TypeAlias = WebSocket


# --- What the page is told to do ------------------------------------------------------------------------


class Turn(msgspec.Struct, frozen=True, kw_only=True, tag_field="do"):
    """What Twilio would do next in a call, for the page to do."""

    call_sid: str
    notes: tuple[str, ...] = ()
    """What has happened on the way here, in words."""


class OpenStream(Turn, frozen=True, kw_only=True, tag="stream"):
    """Open a media stream, as `<Connect><Stream>` does."""

    token: str
    account_sid: str
    stream_sid: str
    parameters: dict[str, str]


class Hear(Turn, frozen=True, kw_only=True, tag="hear"):
    """Something that is no stream is heard: `<Say>`, `<Play>`, `<Record>`."""

    text: str
    seconds: float
    audio: bytes = b""
    """µ-law, where there is a voice for it; else the text is shown for its time."""


class Wait(Turn, frozen=True, kw_only=True, tag="wait"):
    """Nothing is heard for a while."""

    seconds: float


class Press(Turn, frozen=True, kw_only=True, tag="press"):
    """The caller is asked for keys: `<Gather>`."""

    seconds: float
    """How long the first one, and each next one, is waited for."""
    keys_max: int
    finish_keys: str
    """One of these ends it."""


class Choose(Turn, frozen=True, kw_only=True, tag="choose"):
    """What a browser cannot do, such as to ring somebody: the developer says what comes of it."""

    text: str
    choices: tuple[tuple[str, str], ...]
    """What is sent back, and its words."""


class Over(Turn, frozen=True, kw_only=True, tag="over"):
    """The call has ended."""

    status: str
    """Twilio's: `completed`, `busy`, `no-answer`, `failed`, `canceled`."""


# --- What the page asks ---------------------------------------------------------------------------------


class NewCall(msgspec.Struct, frozen=True):
    """Somebody calls."""

    caller: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
    called: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]


class Done(msgspec.Struct, frozen=True):
    """A turn was done."""

    chosen: Annotated[str, msgspec.Meta(max_length=KEYS_MAX)] = ""
    """One of the choices, or the keys that were pressed."""


class Typed(msgspec.Struct, frozen=True):
    """What the caller is to say."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=TYPED_CHARACTERS_MAX)]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence as the line carries it."""

    audio: bytes
    """8 kHz µ-law."""
    voice: str
    """What has spoken it, in words."""


class NoSuchCallError(Exception):
    """It is over, or never was."""


class Talking(Protocol):
    """What the page needs of the process."""

    async def begin(self, call: NewCall) -> Turn:
        """The number is dialled: the voice webhook is asked."""

    async def done(self, call_sid: str, chosen: str) -> Turn:
        """The turn is over; the next one. Raises `NoSuchCallError`."""

    async def hang_up(self, call_sid: str) -> Turn:
        """The caller has put the phone down. Raises `NoSuchCallError`."""

    async def speak(self, text: str) -> Spoken:
        """What was typed, as speech."""

    def follow(self, call_sid: str) -> Subscription:
        """What happens in the call from now on, with its words. Raises `NoSuchCallError`."""

    async def carry(self, socket: BrowserSocket, token: str) -> bool:
        """The stream of a turn, from its upgrade to its end; false when the token is good for none."""


@dataclass(frozen=True, slots=True)
class Line:
    """Who answers here, and how: what the page says of it."""

    agents: tuple[str, ...]
    model: str
    account: str
    voice_url: str
    caller: str
    called: str
    voice: str
    """What speaks for who types, in words."""
    watch_path: str = ""
    """Of the page of a call, with `SID` in the place of its name; nothing where there is none."""


def talk_router(line: Callable[[], Line], talking: Talking) -> APIRouter:
    """Its routes. `line` is asked whenever the page is shown: agents may change."""
    phone = _Phone(line, talking)
    router = APIRouter()
    router.add_route(TALK_PATH, phone.show)
    router.add_route("/talk/calls/{sid}/words", phone.words)
    for path, endpoint in (
        ("/talk/calls", phone.call),
        ("/talk/calls/{sid}/done", phone.done),
        ("/talk/calls/{sid}/hang-up", phone.hang_up),
        ("/talk/speech", phone.speak),
    ):
        router.add_route(path, endpoint, methods=["POST"])
    # Starlette's route: FastAPI's frames would stay for the whole call.
    router.routes.append(WebSocketRoute(MEDIA_PATH, phone.media))
    return router


@dataclass(frozen=True, slots=True)
class _Phone:
    """The endpoints."""

    line: Callable[[], Line]
    talking: Talking

    async def show(self, request: Request) -> Response:
        line = self.line()
        return page(
            request,
            "talk.html",
            line=line,
            media_path=MEDIA_PATH,
            media_protocol=MEDIA_PROTOCOL,
            token_protocol=TOKEN_PROTOCOL,
            typed_characters_max=TYPED_CHARACTERS_MAX,
            watch_path=line.watch_path,
        )

    async def call(self, request: Request) -> Response:
        return _json(await self.talking.begin(await _asked(request, NewCall)))

    async def done(self, request: Request) -> Response:
        done = await _asked(request, Done)
        return await _of_call(request, lambda sid: self.talking.done(sid, done.chosen))

    async def hang_up(self, request: Request) -> Response:
        return await _of_call(request, self.talking.hang_up)

    async def words(self, request: Request) -> Response:
        try:
            return _Words(self.talking.follow(request.path_params["sid"]))
        except NoSuchCallError:
            raise HTTPException(HTTPStatus.NOT_FOUND, "No such call is live.") from None

    async def speak(self, request: Request) -> Response:
        spoken = await self.talking.speak((await _asked(request, Typed)).text)
        return Response(spoken.audio, media_type="audio/basic", headers={"X-Voice": spoken.voice})

    async def media(self, socket: WebSocket) -> None:
        offered = socket.scope.get("subprotocols", [])
        tokens = [name for name in offered if name.startswith(TOKEN_PROTOCOL)]
        is_known = MEDIA_PROTOCOL in offered and len(tokens) == 1
        if not (is_known and await self.talking.carry(socket, tokens[0].removeprefix(TOKEN_PROTOCOL))):
            await WebSocketClose()(socket.scope, socket.receive, socket.send)


class _Words(Response):
    """What both sides say, as it comes, and which tools are used: until the call or its reader is gone."""

    def __init__(self, events: Subscription) -> None:
        super().__init__()
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer."""
        with self._events:
            await EventStream(self._next)(scope, receive, send)

    async def _next(self) -> str | None:
        async for event in self._events:
            match event:
                case LiveWords(by=by, item_id=item, words=words):
                    return _event("said", {"by": by, "item": item, "words": words})
                case LiveFact(fact=ToolUsed(name=name, outcome=outcome)):
                    return _event("used", {"tool": name, "outcome": outcome.value})
                case _:
                    pass
        return None


def _event(name: str, told: dict[str, str]) -> str:
    return message(name, msgspec.json.encode(told).decode())


async def _of_call(request: Request, ask: Callable[[str], Awaitable[Turn]]) -> Response:
    try:
        return _json(await ask(request.path_params["sid"]))
    except NoSuchCallError:
        raise HTTPException(HTTPStatus.NOT_FOUND, "No such call is live.") from None


async def _asked(request: Request, kind: type[Any]) -> Any:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES_MAX:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error


def _json(turn: Turn) -> Response:
    return Response(
        msgspec.json.encode(turn), media_type="application/json", headers={"Cache-Control": "no-store"}
    )
