"""Two calls on record, of which one is live, for whoever asks of them as an assistant does."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from callbridge.call import facts
from callbridge.call.agent_facts import Captured
from callbridge.cli.mcp_server.phone import OwnRecords, Phone
from callbridge.records.database import Database
from callbridge.records.migrating import migrate
from callbridge.records.projecting import rebuild
from callbridge.records.reading import Records
from callbridge.server.config.caller_keys import key_on_record
from callbridge.server.config.prices import read_prices
from desks import CALLER, made_settings
from records.shipments import entry, store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from callbridge.call.facts import Fact

NOON = 1_795_003_200.0
"""18 November 2026, 12:00 UTC."""
ENDED, LIVE = "CA" + "a" * 32, "CA" + "b" * 32
WORDS = "I want a refund"
"""What the caller said in the first, and the agent took down."""


def record(url: str) -> None:
    """Makes them in a database, as a service leaves it that keeps words."""
    key = key_on_record(made_settings(), CALLER)
    began = facts.StreamStarted("********00", "********99", agent="clinic", caller_key=key)
    turn = facts.TurnEnded(1, f"{WORDS}.", "Yes.", 640, interrupted=False)
    taken_down = Captured("Refund", f'{{"why": "{WORDS}"}}')
    ended = facts.StreamEnded(facts.EndReason.CALLER_HANGUP, is_admitted=True, duration_ms=42_000)
    told: dict[str, list[Fact]] = {ENDED: [began, turn, taken_down, ended], LIVE: [began]}
    with contextlib.closing(Database(url)) as database:
        migrate(database)
        for day, (call_sid, noted) in enumerate(told.items()):
            at = NOON + day * 86_400
            entries = [
                entry(call_sid, n, fact, source=f"MZ{day}", at=at + n) for n, fact in enumerate(noted, 1)
            ]
            store(database, *entries)
        rebuild(database, 0.0, lambda _done, _of: None)


@contextlib.contextmanager
def asked_phone(folder: Path) -> Iterator[Phone]:
    """What tools ask of: these calls, beside a service that nobody can ask."""
    url = f"sqlite:///{folder}/records.db"
    record(url)
    settings = made_settings({"DATABASE_URL": url, "CALLBRIDGE_CONTROL_PORT": "0"})
    with contextlib.closing(Database(url, read_prices(None).list)) as database:
        yield Phone(settings, OwnRecords(settings, Records(database)))
