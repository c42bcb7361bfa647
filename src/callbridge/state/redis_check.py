"""Whether the Redis of the settings can be used, and is kept as what lies in it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from callbridge.state.open_redis import WRITE_EVENTS
from callbridge.state.redis_words import in_words, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOK_S: Final = 2.0
"""How long it has for each answer."""


@dataclass(frozen=True, slots=True)
class RedisSeen:
    """What was found."""

    name: str
    """Its address without a password."""

    away: str = ""
    """Why it cannot be used at the moment, and what to do."""

    advice: tuple[tuple[str, str], ...] = ()
    """What of its own settings would lose what live calls need, and the remedy."""


def look_at_redis(url: str) -> RedisSeen:
    """Asks it; blocks for some seconds at most."""
    redis = Redis.from_url(
        url, protocol=2, socket_timeout=LOOK_S, socket_connect_timeout=LOOK_S, retry=Retry(NoBackoff(), 0)
    )
    try:
        redis.script_load(WRITE_EVENTS)
        return RedisSeen(shown(url), advice=_advice(_told(redis, "memory"), _told(redis, "persistence")))
    except (RedisError, OSError) as error:
        return RedisSeen(shown(url), away=in_words(error, url))
    finally:
        redis.close()


def _told(redis: Redis, section: str) -> Mapping[str, Any]:
    """What it says of itself; nothing where a host does not let it."""
    try:
        told: Mapping[str, Any] = redis.info(section)
    except ResponseError:
        return {}
    return told


def _advice(memory: Mapping[str, Any], persistence: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = []
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(
            (
                f"when it is full it drops what live calls need: its maxmemory-policy is {policy}",
                "Set its maxmemory-policy to noeviction.",
            )
        )
    if not persistence.get("aof_enabled", 1):
        found.append(
            (
                "when it restarts it has forgotten the last minutes, or all: its appendonly is off",
                "Set its appendonly to yes, with appendfsync everysec.",
            )
        )
    return tuple(found)
