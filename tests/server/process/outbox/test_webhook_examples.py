"""The receivers of `examples/webhooks.toml`, each against a strict fake of the API that it speaks with."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import standardwebhooks

from callbridge.agents.http.kept_connections import KeptConnections
from callbridge.records.outbox.events import CALL_COMPLETED, call_event
from callbridge.records.outbox.sample import SAMPLE_SID, sample_story
from callbridge.server.config.settings import read_settings
from callbridge.server.config.webhooks import read_webhooks
from callbridge.server.process.outbox.webhook_posting import Posted, Posting
from small_server import Asked, answered, small_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from callbridge.records.story import CallStory

ROOT = Path(__file__).parents[4]
NEEDED = {
    "OPENAI_API_KEY": "sk-test",
    "TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
    "TWILIO_AUTH_TOKEN": "token",
    "PUBLIC_BASE_URL": "https://calls.example.com",
    "CALLBRIDGE_STATE_PATH": "state.db",
}
SIGNING = f"whsec_{'A' * 32}"
STORY = sample_story(1_764_345_600.0)


async def told(
    tmp_path: Path, name: str, fake: Callable[[Asked], bytes], *stories: CallStory
) -> list[Posted]:
    """What becomes of each story that this receiver of the example is told, with a fake in its place."""
    async with small_server(fake) as server, KeptConnections() as connections:
        text = (ROOT / "examples/webhooks.toml").read_text()
        file = tmp_path / "webhooks.toml"
        file.write_text(re.sub(r'(url = ")https://[a-z.]+', rf"\1{server.origin}", text))
        environment = {
            "CALLS_WEBHOOK_SECRET": SIGNING,
            "HUBSPOT_TOKEN": "pat-na1-4711",
            "CRM_TOKEN": "crm-token",
            "SLACK_WEBHOOK_URL": f"{server.origin}/services/T0/B0/abcdef",
        }
        webhooks = read_webhooks(read_settings(NEEDED | {"CALLBRIDGE_WEBHOOKS": str(file)}), environment)
        (webhook,) = (one for one in webhooks if one.name == name)
        posting = Posting(connections)
        return [await posting.post(webhook, call_event(CALL_COMPLETED, story, 1.0)) for story in stories]


# --- HubSpot --------------------------------------------------------------------------------------------
# https://developers.hubspot.com/docs/api-reference/legacy/crm/activities/calls/guide, and "Create or update a
# batch of objects by unique property values".

HUBSPOT_STATUS = frozenset(
    {"BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "NO_ANSWER"}
    | {"QUEUED", "RINGING"}
)
HUBSPOT_PROPERTIES: dict[str, Callable[[str], object]] = {
    "callbridge_call_sid": lambda text: 0 < len(text) <= 255,
    "hs_timestamp": lambda text: dt.datetime.fromisoformat(text).tzinfo,
    "hs_call_title": bool,
    "hs_call_body": lambda text: len(text) <= 65_536,
    "hs_call_direction": lambda text: text in {"INBOUND", "OUTBOUND"},
    "hs_call_status": lambda text: text in HUBSPOT_STATUS,
    "hs_call_duration": lambda text: text.isdigit(),
    "hs_call_from_number": lambda text: isinstance(text, str),
    "hs_call_to_number": lambda text: isinstance(text, str),
}


class HubSpot:
    """Its calls, by the unique property. Whatever is not as documented is refused."""

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, str]] = {}

    def __call__(self, asked: Asked) -> bytes:
        if asked.headers.get("authorization") != "Bearer pat-na1-4711":
            return self._refused("401 Unauthorized", "INVALID_AUTHENTICATION")
        if (asked.method, asked.target) != ("POST", "/crm/v3/objects/calls/batch/upsert"):
            return self._refused("404 Not Found", "OBJECT_NOT_FOUND")
        if asked.headers["content-type"] != "application/json" or asked.json.keys() != {"inputs"}:
            return self._refused("400 Bad Request", "VALIDATION_ERROR")
        for one in asked.json["inputs"]:
            if wrong := self._fault_in(one):
                return self._refused("400 Bad Request", wrong)
            self.calls[one["id"]] = one["properties"]
        results = [
            {"id": "1", "new": True, "archived": False, "properties": one} for one in self.calls.values()
        ]
        return answered(json.dumps({"status": "COMPLETE", "results": results}))

    def _fault_in(self, one: dict[str, Any]) -> str:
        if not {"id", "properties"} <= one.keys() <= {"id", "idProperty", "properties", "objectWriteTraceId"}:
            return "unknown keys"
        if one["idProperty"] != "callbridge_call_sid" or "hs_timestamp" not in one["properties"]:
            return "a required property is missing"
        for name, value in one["properties"].items():
            if (
                name not in HUBSPOT_PROPERTIES
                or not isinstance(value, str)
                or not HUBSPOT_PROPERTIES[name](value)
            ):
                return f"Property {name} is wrong"
        return ""

    def _refused(self, status: str, message: str) -> bytes:
        fault = {"status": "error", "message": message, "category": "VALIDATION_ERROR"}
        return answered(json.dumps(fault), status=status)


async def test_hubspot_has_each_call_once(tmp_path: Path) -> None:
    """Also when it is told twice; and of callers whose words are not kept."""
    silent = msgspec.structs.replace(STORY, call_sid=f"CA{'1' * 32}", turns=(), caller="********00")
    hubspot = HubSpot()
    assert await told(tmp_path, "hubspot", hubspot, STORY, STORY, silent) == [Posted(200)] * 3
    assert hubspot.calls.keys() == {SAMPLE_SID, silent.call_sid}
    assert hubspot.calls[SAMPLE_SID]["hs_call_duration"] == "21500"
    assert hubspot.calls[SAMPLE_SID]["hs_call_body"].splitlines()[1] == (
        "caller: Could I come in on Tuesday morning?"
    )
    assert hubspot.calls[silent.call_sid]["hs_call_body"] == ""


# --- A CRM ----------------------------------------------------------------------------------------------


class Call(msgspec.Struct, forbid_unknown_fields=True):
    """What the CRM keeps of a call."""

    phone: str
    started_at: float
    duration_seconds: int
    outcome: str
    appointment: dict[str, str] | None
    cost_usd: float


async def test_a_crm_has_each_call_under_its_own_address(tmp_path: Path) -> None:
    """Whoever hangs up at once is nobody there."""
    calls: dict[str, Call] = {}

    def crm(asked: Asked) -> bytes:
        found = re.fullmatch(r"/v1/calls/(CA[0-9a-f]{32})", asked.target)
        if not found or asked.method != "PUT" or asked.headers["authorization"] != "Bearer crm-token":
            return answered("", status="404 Not Found")
        if asked.headers["idempotency-key"] != found[1]:
            return answered("", status="422 Unprocessable Content")
        calls[found[1]] = msgspec.json.decode(asked.body, type=Call)
        return answered("{}", status="201 Created")

    short = msgspec.structs.replace(STORY, call_sid=f"CA{'2' * 32}", duration_ms=900)
    assert await told(tmp_path, "crm", crm, STORY, short) == [Posted(201), Posted(is_skipped=True)]
    assert calls == {
        SAMPLE_SID: Call(
            "+14155550100",
            1_764_345_578.5,
            22,
            "agent_hangup",
            {"day": "2026-12-01", "time": "09:30"},
            0.01924,
        )
    }


# --- Slack ----------------------------------------------------------------------------------------------
# https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, and the reference of blocks.


def slack_says(asked: Asked) -> bytes:
    """What an incoming webhook answers: text, and no JSON."""
    if asked.target != "/services/T0/B0/abcdef":
        return answered("no_service", status="404 Not Found", kind="text/html")
    message = asked.json
    if not isinstance(message.get("text"), str) or not message["text"]:
        return answered("no_text", status="400 Bad Request", kind="text/html")
    blocks = message.get("blocks", [])
    sections = [block["text"] for block in blocks if block.keys() == {"type", "text"}]
    is_right = len(sections) == len(blocks) <= 50 and all(
        text.keys() == {"type", "text"} and text["type"] == "mrkdwn" and 0 < len(text["text"]) <= 3000
        for text in sections
    )
    if not is_right or message.keys() - {"text", "blocks"} or re.search(r"<[!@#]", asked.body.decode()):
        return answered("invalid_payload", status="400 Bad Request", kind="text/html")
    return answered("ok", kind="text/html")


@pytest.mark.parametrize("words", ["Hello <!channel> & all", "word " * 2000, None])
async def test_slack_shows_a_call_and_calls_nobody(tmp_path: Path, words: str | None) -> None:
    """Whatever a caller says, and however long."""
    turns = [msgspec.structs.replace(turn, caller=words) for turn in STORY.turns]
    story = msgspec.structs.replace(STORY, turns=tuple(turns))
    quiet = msgspec.structs.replace(STORY, turns=(), caller="")
    assert await told(tmp_path, "slack", slack_says, story, quiet) == [Posted(200)] * 2


async def test_ones_own_service_gets_all_of_it_signed(tmp_path: Path) -> None:
    seen: list[Any] = []

    def own(asked: Asked) -> bytes:
        seen.append(standardwebhooks.Webhook(SIGNING).verify(asked.body, asked.headers))
        return answered("", status="204 No Content")

    assert await told(tmp_path, "own", own, STORY) == [Posted(204)]
    assert seen[0]["data"]["captured"]["Appointment"]["time"] == "09:30"
