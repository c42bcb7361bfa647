"""`GET /v1/organization/costs`: what the sessions of this model cost, by day, as the vendor's books say it.

Source: platform.openai.com/docs/api-reference/usage/costs. It wants an admin key; buckets are days in UTC.
Pure: a request in, an answer out. Prices are the public list's of October 2026.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from callbridge.simulators.voice_model.journal import Journal
    from callbridge.simulators.voice_model.schema import Json

COSTS_PATH: Final = "/v1/organization/costs"
DAY_S: Final = 86_400
_LIMIT, _LIMIT_MAX = 7, 180
_GROUPS: Final = frozenset({"project_id", "line_item"})
_MAY_NOT: Final = "You have insufficient permissions for this operation."
_PARAMETERS: Final = frozenset(
    {"start_time", "end_time", "bucket_width", "limit", "page", "group_by", "group_by[]", "project_ids"}
)

_PER_MILLION: Final[Mapping[str, tuple[float, ...]]] = {
    "gpt-realtime-2.1": (4.00, 0.40, 24.00, 32.00, 0.40, 64.00),
    "gpt-realtime-2.1-mini": (0.60, 0.06, 2.40, 10.00, 0.30, 20.00),
    "gpt-realtime-2": (4.00, 0.40, 24.00, 32.00, 0.40, 64.00),
    "gpt-realtime-1.5": (4.00, 0.40, 16.00, 32.00, 0.40, 64.00),
    "gpt-realtime": (4.00, 0.40, 16.00, 32.00, 0.40, 64.00),
    "gpt-realtime-mini": (0.60, 0.06, 2.40, 10.00, 0.30, 20.00),
}
"""Text in, cached, out; audio in, cached, out."""

_PER_MINUTE: Final = {"gpt-transcribe": 0.0045, "gpt-realtime-whisper": 0.017, "whisper-1": 0.006}


@dataclass(frozen=True, slots=True)
class CostsAnswer:
    """What goes back."""

    status: int
    body: bytes


def costs(
    target: str,
    authorization: Collection[str],
    admin_keys: Collection[str],
    spent: Iterable[tuple[float, str, float]],
) -> CostsAnswer:
    """The answer to a GET.

    Args:
        target: path and query.
        authorization: the headers of that name.
        admin_keys: those that may look; another key is told what it lacks.
        spent: Unix seconds, line item and dollars of everything that was paid.
    """
    fault = _who(authorization, admin_keys) or _wrong_with(target)
    if fault is not None:
        return fault
    asked = dict(parse_qsl(urlsplit(target).query))
    start, end = int(asked["start_time"]), int(asked.get("end_time") or 0)
    groups = _groups(target)
    buckets = list(_buckets(start - start % DAY_S, end, list(spent), by_item="line_item" in groups))
    first, limit = int(asked.get("page") or 0), int(asked.get("limit") or _LIMIT)
    more = first + limit < len(buckets)
    page = {"object": "page", "data": buckets[first : first + limit], "has_more": more}
    return _answer(200, page | {"next_page": str(first + limit) if more else None})


def _who(authorization: Collection[str], admin_keys: Collection[str]) -> CostsAnswer | None:
    scheme, _, key = next(iter(authorization), "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        return _error(401, "You didn't provide an API key.", None)
    if key not in admin_keys:
        return _error(403, f"{_MAY_NOT} Missing scopes: api.usage.read.")
    return None


def _wrong_with(target: str) -> CostsAnswer | None:
    pairs = parse_qsl(urlsplit(target).query, keep_blank_values=True)
    asked = dict(pairs)
    if unknown := asked.keys() - _PARAMETERS:
        return _error(400, f"Unknown parameter: '{min(unknown)}'.")
    if not asked.get("start_time", "").isdigit():
        return _error(400, "Missing required parameter: 'start_time'.")
    if not (asked.get("end_time") or "1").isdigit() or not (asked.get("page") or "1").isdigit():
        return _error(400, "Invalid type for 'end_time' or 'page'.")
    if asked.get("bucket_width", "1d") != "1d":
        return _error(400, "Invalid value for 'bucket_width': only '1d' is supported.")
    limit = asked.get("limit") or str(_LIMIT)
    if not limit.isdigit() or not 1 <= int(limit) <= _LIMIT_MAX:
        return _error(400, f"Invalid value for 'limit': it must be between 1 and {_LIMIT_MAX}.")
    return _error(400, "Invalid value for 'group_by'.") if _groups(target) - _GROUPS else None


def _groups(target: str) -> set[str]:
    pairs = parse_qsl(urlsplit(target).query)
    return {value for name, value in pairs if name in {"group_by", "group_by[]"}}


def _buckets(start: int, end: int, spent: list[tuple[float, str, float]], *, by_item: bool) -> Iterator[Json]:
    """Days up to `end`; without one, to the last in which there is something."""
    last = max((at for at, _, _ in spent), default=start)
    end = end or int(last) + 1
    for day in range(start, end, DAY_S):
        sums: dict[str, float] = defaultdict(float)
        for at, item, dollars in spent:
            if day <= at < day + DAY_S:
                sums[item if by_item else ""] += dollars
        results = [_result(item or None, dollars) for item, dollars in sorted(sums.items())]
        yield {"object": "bucket", "start_time": day, "end_time": day + DAY_S, "results": results}


def _result(item: str | None, dollars: float) -> Json:
    return {
        "object": "organization.costs.result",
        "amount": {"value": dollars, "currency": "usd"},
        "line_item": item,
        "project_id": None,
    }


def _error(status: int, message: str, code: str | None = "invalid_request") -> CostsAnswer:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return _answer(status, {"error": error})


def _answer(status: int, body: Json) -> CostsAnswer:
    return CostsAnswer(status, msgspec.json.encode(body))


# --- What sessions cost -------------------------------------------------------------------------------


def spent_in(journal: Journal, wall_of_now: float) -> Iterator[tuple[float, str, float]]:
    """What a session was billed for, response by response, transcript by transcript.

    `wall_of_now`: what must be added to the session's clock for seconds since 1970.
    """
    for response in journal.responses:
        if response.usage and response.done_at is not None:
            dollars = _of_tokens(response.usage, _PER_MILLION.get(journal.model))
            yield response.done_at + wall_of_now, journal.model, dollars
    for at, model, usage in journal.transcripts:
        yield at + wall_of_now, model, _of_transcript(usage, _PER_MINUTE.get(model, 0.0))


def _of_tokens(usage: Json, prices: tuple[float, ...] | None) -> float:
    if prices is None:
        return 0.0
    read, wrote = usage["input_token_details"], usage["output_token_details"]
    cached = read["cached_tokens_details"]
    counts = (
        read["text_tokens"] - cached["text_tokens"],
        cached["text_tokens"],
        wrote["text_tokens"],
        read["audio_tokens"] - cached["audio_tokens"],
        cached["audio_tokens"],
        wrote["audio_tokens"],
    )
    return float(sum(count * price for count, price in zip(counts, prices, strict=True))) / 1e6


def _of_transcript(usage: Json, per_minute: float) -> float:
    """By the minute: of audio that is told in tokens a minute has 600."""
    minutes = usage["seconds"] / 60 if usage["type"] == "duration" else usage["input_tokens"] / 600
    return float(minutes * per_minute)
