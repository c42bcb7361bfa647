"""Says what a start would find at REDIS_URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, ok, warning

if TYPE_CHECKING:
    from callbridge.server.config.settings import Settings


def redis_notes(settings: Settings) -> tuple[Finding, ...]:
    """Whether Redis answers, and is kept so that nothing is lost. Its client is installed. Blocks."""
    if settings.redis_url is None:
        return ()
    from callbridge.state.redis_check import look_at_redis  # noqa: PLC0415 - its client is an extra

    seen = look_at_redis(settings.redis_url.get_secret_value())
    if seen.away:
        remedy = "Until it can be used no new call is taken, and live ones go on without each other's memory."
        return (warning(seen.away.removesuffix("."), remedy),)
    kept = ok(f"live calls' memory and used tokens are in Redis at {seen.name}")
    return (kept, *(warning(f"Redis at {seen.name}: {what}", remedy) for what, remedy in seen.advice))
