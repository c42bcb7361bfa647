"""A consumer of what callbridge tells NATS: a board of calls, in a SQLite file of its own.

`NATS_URL=nats://… python examples/nats_consumer.py board.db`. It may be stopped and killed at any moment, and
run twice: each event counts once, and those of one call in their order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
from typing import Any

import nats
import nats.errors
from nats.js.api import ConsumerConfig

STREAM = "callbridge"
SUBJECTS = "callbridge.>"  # callbridge.call.completed.* for calls that are over alone.
NAME = "board"

TABLES = """
CREATE TABLE IF NOT EXISTS events (
  place INTEGER PRIMARY KEY, id TEXT UNIQUE, call_sid TEXT, type TEXT, source TEXT, number INTEGER
);
CREATE TABLE IF NOT EXISTS calls (
  call_sid TEXT PRIMARY KEY, state TEXT DEFAULT 'live', tools INTEGER DEFAULT 0, usd REAL DEFAULT 0
);
"""


class Board:
    """What is known of each call."""

    def __init__(self, path: str) -> None:
        self.database = sqlite3.connect(path, isolation_level=None, timeout=30)
        self.database.execute("PRAGMA journal_mode=WAL")
        self.database.executescript(TABLES)

    def take(self, event: dict[str, Any]) -> bool:
        """Does the work of an event, once; whether it was new. Its id and its work are one transaction."""
        data = event["data"]
        known = (event["id"], data["call_sid"], event["type"], data.get("source"), data.get("number"))
        self.database.execute("BEGIN IMMEDIATE")
        with self.database:
            row = self.database.execute("INSERT OR IGNORE INTO events VALUES (NULL, ?, ?, ?, ?, ?)", known)
            if row.rowcount:
                self._work(event["type"], data)
        return bool(row.rowcount)

    def _work(self, kind: str, data: dict[str, Any]) -> None:
        sid = data["call_sid"]
        self.database.execute("INSERT OR IGNORE INTO calls (call_sid) VALUES (?)", (sid,))
        if kind == "call.completed":
            ended = "UPDATE calls SET state = ?, usd = ? WHERE call_sid = ?"
            self.database.execute(ended, (data["end_reason"], data["cost"]["usd"], sid))
        elif kind == "fact.tool_used":
            self.database.execute("UPDATE calls SET tools = tools + 1 WHERE call_sid = ?", (sid,))


async def consume(url: str, board: Board) -> None:
    """Takes one event after the other, for ever."""
    async with contextlib.AsyncExitStack() as last:
        client = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=1)
        last.push_async_callback(client.close)
        # One at a time: what is not done yet holds back what follows, also when it is given out again.
        # After 5 s without an ack it is given out again; work that takes longer says message.in_progress().
        one_by_one = ConsumerConfig(max_ack_pending=1, ack_wait=5)
        while True:  # The first callbridge that starts makes the stream.
            with contextlib.suppress(nats.errors.Error):
                events = await client.jetstream().pull_subscribe(SUBJECTS, NAME, STREAM, one_by_one)
                break
            print(f"{url} has no stream {STREAM} yet", flush=True)  # noqa: T201
            await asyncio.sleep(1)
        while True:
            try:
                (message,) = await events.fetch(1, timeout=5)
            except nats.errors.TimeoutError:  # Nothing new.
                continue
            except nats.errors.Error:  # The server is away, or not ready yet.
                await asyncio.sleep(1)
                continue
            try:
                is_new = board.take(json.loads(message.data))
            except sqlite3.OperationalError:  # A full disk, a lock: the same again, a little later.
                await message.nak(delay=1)
                continue
            await message.ack()  # After the work: who dies before it is given the event again.
            print(message.subject, "" if is_new else "(known)", flush=True)  # noqa: T201


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(consume(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), Board(sys.argv[1])))
