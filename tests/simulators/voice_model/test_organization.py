"""What the simulated organization says that its sessions cost, and to whom."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callbridge.simulators.voice_model.journal import Journal, ResponseRecord
from callbridge.simulators.voice_model.organization import COSTS_PATH, costs, spent_in

ADMIN, DAY = "sk-admin", 86_400
SPENT = [(DAY + 5.0, "gpt-realtime-2.1", 0.25), (DAY + 9.0, "gpt-transcribe", 0.5), (2 * DAY + 1.0, "x", 1.0)]
BEARER = [f"Bearer {ADMIN}"]


def asked(query: str, authorization: list[str] = BEARER) -> tuple[int, Any]:
    answer = costs(f"{COSTS_PATH}?{query}", authorization, [ADMIN], SPENT)
    return answer.status, msgspec.json.decode(answer.body)


def test_a_day_is_a_bucket() -> None:
    status, page = asked(f"start_time={DAY}&end_time={2 * DAY}&bucket_width=1d")
    assert (status, page["object"], page["has_more"]) == (200, "page", False)
    (bucket,) = page["data"]
    assert (bucket["start_time"], bucket["end_time"]) == (DAY, 2 * DAY)
    assert [result["amount"] for result in bucket["results"]] == [{"value": 0.75, "currency": "usd"}]


def test_items_and_pages() -> None:
    _, page = asked(f"start_time={DAY}&limit=1&group_by=line_item")
    assert [result["line_item"] for result in page["data"][0]["results"]] == [
        "gpt-realtime-2.1",
        "gpt-transcribe",
    ]
    assert page["has_more"]
    _, behind = asked(f"start_time={DAY}&limit=1&page={page['next_page']}")
    assert behind["data"][0]["results"][0]["amount"]["value"] == 1.0
    assert not behind["has_more"]


@pytest.mark.parametrize(
    ("query", "authorization", "status"),
    [
        ("start_time=1", [], 401),
        ("start_time=1", ["Bearer sk-of-a-project"], 403),
        ("", BEARER, 400),
        ("start_time=1&bucket_width=1h", BEARER, 400),
        ("start_time=1&limit=181", BEARER, 400),
        ("start_time=1&group_by=model", BEARER, 400),
        ("start_time=1&day=today", BEARER, 400),
    ],
)
def test_what_is_wrong_is_refused(query: str, authorization: list[str], status: int) -> None:
    assert asked(query, authorization)[0] == status


def test_a_session_is_paid_by_kind() -> None:
    """The third turn of a real session, and its transcript: 43, 32, 64 cached, 18 and 43 tokens."""
    usage = {
        "input_token_details": {
            "text_tokens": 43,
            "audio_tokens": 96,
            "cached_tokens_details": {"text_tokens": 0, "audio_tokens": 64},
        },
        "output_token_details": {"text_tokens": 18, "audio_tokens": 43},
    }
    journal = Journal("gpt-realtime-2.1", responses=[ResponseRecord("r", 1.0, done_at=2.0, usage=usage)])
    journal.transcripts.append((3.0, "gpt-transcribe", {"type": "duration", "seconds": 60}))
    response, transcript = spent_in(journal, 100.0)
    assert (response[:2], transcript[:2]) == ((102.0, "gpt-realtime-2.1"), (103.0, "gpt-transcribe"))
    assert response[2] == pytest.approx((43 * 4 + 32 * 32 + 64 * 0.4 + 18 * 24 + 43 * 64) / 1e6)
    assert transcript[2] == pytest.approx(0.0045)
