"""What lies in Redis, and the commands that write and read it. Blocking; nothing is retried or explained.

A call has two hashes. One has its outline, the number of its last event and who wrote how far; the other one
what was said. Redis itself drops them: a call's events expire together, so many seconds after the last of
them. A token that was used is a key with whoever was first, and expires like the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from callbridge.state.state import OVER, PRUNE_EVERY_S, STARTED, TOKEN_KEPT_S, CallEvent
from callbridge.state.writes import EventWrite, TokenClaim

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis.client import Pipeline

    from callbridge.state.state import Retention
    from callbridge.state.writes import Write

TOKEN_KEPT_MIN_S: Final = 60.0
"""A token is remembered for so long at least, whatever the clocks say."""

WRITE_EVENTS: Final = """
local outline, words, writer = KEYS[1], KEYS[2], 'by:' .. ARGV[1]
local written = tonumber(redis.call('HGET', outline, writer) or '0')
for at = 4, #ARGV, 3 do
  local number, turn, event = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2]
  if number > written then
    written = number
    if turn == 'over' then
      redis.call('DEL', words)
      redis.call('HSET', outline, 'over', '1')
    elseif turn == 'started' then
      redis.call('HDEL', outline, 'over')
    end
    if turn ~= 'detail' or redis.call('HEXISTS', outline, 'over') == 0 then
      local kept = turn == 'detail' and words or outline
      redis.call('HSET', kept, redis.call('HINCRBY', outline, 'last', 1), event)
    end
  end
end
redis.call('HSET', outline, writer, written)
redis.call('PEXPIRE', outline, ARGV[2])
redis.call('PEXPIRE', words, ARGV[3])
"""
"""Appends events of one call, in one step. What its process wrote before is not written again, so a batch of
which nobody knows whether it arrived may be sent once more. Of details it does as `without_words`."""

READ_EVENTS: Final = "return {redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2])}"
"""Both hashes of a call, in one step, since what was said may be dropped between two. A transaction would do
the same, but one that is full takes none, though it can be read."""


ANSWER_S: Final = 1.0
"""How long Redis has for an answer: it takes a millisecond, and while a large one forks some hundred."""

_event_encoder = msgspec.msgpack.Encoder()
_event_decoder = msgspec.msgpack.Decoder(tuple[float, str, bytes])


def outline_key(call_sid: str) -> str:
    """Where the outline of a call lies. What is in braces keeps both hashes on one machine of a cluster."""
    return f"callbridge:call:{{{call_sid}}}"


def words_key(call_sid: str) -> str:
    """Where what was said in it lies."""
    return f"callbridge:words:{{{call_sid}}}"


def token_key(digest: bytes) -> bytes:
    """Where a used token lies."""
    return b"callbridge:token:" + digest


class OpenRedis:
    """One connection, made by `open`. All its methods raise RedisError or OSError where Redis is away."""

    def __init__(self, client: Redis, *, write: str, read: str) -> None:
        self._client = client
        self._write, self._read = write, read
        """Digests of the two scripts, under which this Redis knows them until it restarts."""

    @classmethod
    def open(cls, url: str) -> OpenRedis:
        """Connects to the Redis at `url`."""
        client = Redis.from_url(
            url,
            protocol=2,  # All versions speak it.
            socket_connect_timeout=ANSWER_S,
            socket_timeout=ANSWER_S,
            retry=Retry(NoBackoff(), 0),  # Who writes again must know it.
        )
        try:
            scripts = [client.script_load(script) for script in (WRITE_EVENTS, READ_EVENTS)]
        except (RedisError, OSError):
            client.close()
            raise
        return cls(client, write=scripts[0], read=scripts[1])

    def ping(self) -> None:
        """Asks whether it is there."""
        self._client.ping()

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    def write(
        self, batch: Mapping[int, Write], *, process: str, now: float, retention: Retention
    ) -> list[tuple[TokenClaim, bool]]:
        """Writes all of `batch`, each write under its number; answers who was first to show a token.

        After an error some or all of it may not be written, and it may be written again.

        Args:
            batch: numbers ascend over all batches of this process.
            process: whose batch it is.
            now: seconds since 1970.
            retention: when events expire.
        """
        # No transaction: each call is written in one step, and one that cannot be must not undo others.
        pipeline = self._client.pipeline(transaction=False)
        events = {number: write for number, write in batch.items() if isinstance(write, EventWrite)}
        claims = [write for write in batch.values() if isinstance(write, TokenClaim)]
        for call_sid in dict.fromkeys(event.call_sid for event in events.values()):
            told = [(number, event) for number, event in events.items() if event.call_sid == call_sid]
            kept_ms = (_kept_ms(retention.outline_s), _kept_ms(retention.quiet_s))
            keys = (outline_key(call_sid), words_key(call_sid))
            pipeline.evalsha(self._write, 2, *keys, process, *kept_ms, *_arguments(told))
        for claim in claims:
            _claim(pipeline, claim, now)
        answers = _executed(pipeline)
        verdicts = answers[len(answers) - 2 * len(claims) :]
        return [
            (claim, bool(is_set) or whose == claim.name.encode())
            for claim, is_set, whose in zip(claims, verdicts[::2], verdicts[1::2], strict=True)
        ]

    def events(self, call_sid: str) -> tuple[CallEvent, ...]:
        """The events of one call, in order."""
        hashes = self._client.evalsha(self._read, 2, outline_key(call_sid), words_key(call_sid))
        fields = [pair for each in hashes for pair in zip(each[::2], each[1::2], strict=True)]
        stored = {int(name): event for name, event in fields if name.isdigit()}
        return tuple(CallEvent(number, *_event_decoder.decode(stored[number])) for number in sorted(stored))


def _arguments(told: Iterable[tuple[int, EventWrite]]) -> list[bytes | str | int]:
    return [
        part
        for number, event in told
        for part in (number, _turn(event), _event_encoder.encode((event.at, event.kind, event.body)))
    ]


def _kept_ms(kept_s: float) -> int:
    """What is exactly so old is still there, and gone within the minute, as wherever a state is kept."""
    return round(1000 * (kept_s + PRUNE_EVERY_S))


def _turn(event: EventWrite) -> str:
    """What the event is to those that follow it."""
    if event.is_detail:
        return "detail"
    return {OVER: "over", STARTED: "started"}.get(event.kind, "outline")


def _claim(pipeline: Pipeline, claim: TokenClaim, now: float) -> None:
    """In two commands: an answer that was lost is found again by the name of who claimed."""
    kept_s = max(claim.expires_at + TOKEN_KEPT_S - now, TOKEN_KEPT_MIN_S)
    # By how long and not until when: the clock of Redis may be another one than ours.
    pipeline.set(token_key(claim.digest), claim.name, nx=True, px=round(1000 * kept_s))
    pipeline.get(token_key(claim.digest))


def _executed(pipeline: Pipeline) -> list[Any]:
    """The answers. The client's own words for an error have the command in them, with what callers said."""
    answers: list[Any] = pipeline.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return answers
