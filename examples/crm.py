"""Tells a CRM and a channel in Slack of calls, each in its own form. `webhooks.toml` names these functions.

Each gets the whole call and answers a request, or None where nobody is to be told.
"""

from __future__ import annotations

import json

from callbridge import CallStory, WebhookRequest

SHORTEST_MS = 3_000
"""Who hangs up sooner has said nothing."""

SECTION_CHARACTERS_MAX = 3_000
"""Of a section in Slack."""


def to_crm(story: CallStory) -> WebhookRequest | None:
    """The call under its own address: whoever is told twice has it once."""
    if story.duration_ms < SHORTEST_MS:
        return None
    return WebhookRequest(
        {
            "phone": story.caller,
            "started_at": story.began_at,
            "duration_seconds": round(story.duration_ms / 1000),
            "outcome": story.end_reason,
            "appointment": json.loads(story.captured.get("Appointment", "null")),
            "cost_usd": story.cost.microdollars / 1e6,
        },
        method="PUT",
        path=f"/v1/calls/{story.call_sid}",
        headers={"Idempotency-Key": story.call_sid},
    )


def to_slack(story: CallStory) -> WebhookRequest:
    """A line in a channel, with what was said below it."""
    title = f"Call from {story.caller or 'an unknown number'}, {round(story.duration_ms / 1000)} s"
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": f"*{_escaped(title)}*"}}]
    if words := _escaped("\n".join(_lines(story)))[:SECTION_CHARACTERS_MAX]:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": words}})
    return WebhookRequest({"text": _escaped(title), "blocks": blocks})


def _lines(story: CallStory) -> list[str]:
    lines = []
    for turn in story.turns:
        lines += [f"Caller: {turn.caller}"] if turn.caller else []
        lines += [f"{story.agent or 'Agent'}: {turn.heard}"] if turn.heard else []
    return lines


def _escaped(text: str) -> str:
    """As Slack wants it: a caller who says `<!channel>` calls nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
