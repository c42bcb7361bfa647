"""Who is told of calls: what `callbridge check` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.check_webhooks import webhooks
from desks import made_settings

if TYPE_CHECKING:
    from pathlib import Path

FILE = (
    '[[webhook]]\nname = "crm"\nurl = "https://crm.example.com/${TOKEN}"\nsecret = "${CRM_SECRET}"\n'
    'events = ["fact.*", "call.completed"]\n'
    '[[webhook]]\nname = "slack"\nurl = "https://hooks.slack.com/x"\nbody = "data"\n'
)
ENVIRONMENT = {"CRM_SECRET": f"whsec_{'A' * 32}", "TOKEN": "token-4711"}


def said(tmp_path: Path, environment: dict[str, str], **more: str) -> list[str]:
    (tmp_path / "webhooks.toml").write_text(FILE)
    given = {
        "CALLBRIDGE_WEBHOOKS": str(tmp_path / "webhooks.toml"),
        "CALLBRIDGE_STATE_PATH": str(tmp_path / "state.db"),
    }
    return [finding.what for finding in webhooks(made_settings(given | more), environment)]


def test_each_receiver_is_named(tmp_path: Path) -> None:
    """Without what may be a secret in its address; and that words are kept from them, or not."""
    named = [
        "crm at https://crm.example.com is told of call.completed, fact.*",
        "slack at https://hooks.slack.com is told of call.completed",
        "what slack is told is not signed: its template makes another request",
    ]
    assert said(tmp_path, ENVIRONMENT, CALLBRIDGE_KEEP_WORDS="true") == named
    *first, last = said(tmp_path, ENVIRONMENT)
    assert first == named
    assert "without words" in last


def test_nothing_is_said_of_nobody(tmp_path: Path) -> None:
    """Nor of a file that cannot be read: the rehearsal of the start does."""
    assert said(tmp_path, {}) == []
    assert list(webhooks(made_settings(), {})) == []
