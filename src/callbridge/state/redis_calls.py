"""What Redis keeps of a state: the events of live calls and which tokens were used, over all processes.

As with every state nothing here raises because Redis is away, and nothing waits for it for longer than about
a second.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from callbridge.state.redis_writer import RedisWriter
from callbridge.state.reply import Reply
from callbridge.state.state import KEPT, TOKEN_KEPT_S
from callbridge.state.writes import EventWrite, TokenClaim, storable

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.state.state import CallEvent, Retention, Unwritten

ANSWER_WAIT_S: Final = 1.0
"""After this a question is answered from what waits, and a token is judged here: a caller hears nothing."""

FLUSH_WAIT_S: Final = 5.0
"""After this a flush gives up."""

TOKENS_MAX: Final = 10_000
"""Tokens that this process remembers itself, the last ones: it honours none twice while Redis is away."""


class RedisCalls:
    """Events and tokens in one Redis. Belongs to one event loop.

    Args:
        url: `redis://…` or `rediss://…`, which may have a password. It need not answer yet.
        process: the name of this start of callbridge.
        clock: seconds since 1970.
        retention: how long events are kept.
    """

    def __init__(
        self,
        url: str,
        process: str,
        clock: Callable[[], float] = time.time,
        retention: Retention = KEPT,
    ) -> None:
        self._process, self._clock = process, clock
        self._writer = RedisWriter(url, process, clock, retention)
        self._writer.start()
        self._tokens_claimed = 0
        self._tokens: dict[bytes, float] = {}
        """When those expire that were shown here."""

    def __repr__(self) -> str:
        return f"<RedisCalls {self._writer!r}>"

    def append(self, call_sid: str, kind: str, body: bytes) -> None:
        """Queues an event of a call."""
        self._writer.put(EventWrite(storable(call_sid), storable(kind), self._clock(), bytes(body)))

    async def events(self, call_sid: str) -> tuple[CallEvent, ...]:
        """The events of the call, written or waiting."""
        call_sid = storable(call_sid)
        reply: Reply[tuple[CallEvent, ...]] = Reply()
        self._writer.ask(call_sid, reply)
        found = await reply.within(ANSWER_WAIT_S)
        return self._writer.waiting_of(call_sid) if found is None else found

    async def claim_token(self, digest: bytes, expires_at: float) -> bool:
        """True for the first who asks, in any process; while Redis is away, for the first in this one."""
        if self._tokens.get(digest, 0.0) >= self._clock() - TOKEN_KEPT_S:
            return False
        self._tokens[digest] = expires_at
        if len(self._tokens) > TOKENS_MAX:
            del self._tokens[next(iter(self._tokens))]
        self._tokens_claimed += 1
        claim = TokenClaim(digest, expires_at, Reply(), f"{self._process}-{self._tokens_claimed}")
        self._writer.put(claim)
        verdict = await claim.reply.within(ANSWER_WAIT_S if self.trouble is None else 0)
        # Whoever came before in this process was turned away above.
        return True if verdict is None else verdict

    async def flush(self) -> bool:
        """Whether all that was queued is written. Returns when it is, or there is trouble."""
        reply: Reply[bool] = Reply()
        self._writer.flush(reply)
        return bool(await reply.within(FLUSH_WAIT_S))

    async def close(self) -> None:
        """Writes what waits and ends the thread."""
        await self.flush()
        reply: Reply[bool] = Reply()
        self._writer.close(reply)
        await reply.within(FLUSH_WAIT_S)

    async def died(self) -> str:
        """Why nothing is written any more."""
        reply: Reply[str] = Reply()
        self._writer.mourn(reply)
        return await reply.settled()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written at the moment."""
        return self._writer.trouble

    @property
    def unwritten(self) -> Unwritten:
        """What waits for Redis."""
        return self._writer.unwritten

    @property
    def events_shed(self) -> int:
        """Memory details that were lost for want of room."""
        return self._writer.events_shed
