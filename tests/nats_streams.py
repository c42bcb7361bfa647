"""What a stream of NATS has, read by a consumer that leaves no trace."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

FETCHED_S = 10.0


@dataclass(frozen=True)
class Kept:
    """One message."""

    subject: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def event_id(self) -> str:
        return self.headers["Nats-Msg-Id"]

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["data"]
        return found


async def kept_in(url: str, stream: str, subject: str = ">", **user: str) -> list[Kept]:
    """All messages of a stream under this subject, in their order."""
    import nats  # noqa: PLC0415 - an extra; who has no server has no library, perhaps
    from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy  # noqa: PLC0415 - as above

    client = await nats.connect(url, allow_reconnect=False, **user)
    found: list[Kept] = []
    try:
        config = ConsumerConfig(
            ack_policy=AckPolicy.NONE, deliver_policy=DeliverPolicy.ALL, inactive_threshold=5
        )
        reader = await client.jetstream().pull_subscribe(subject, stream=stream, config=config)
        count = (await reader.consumer_info()).num_pending or 0
        while len(found) < count:
            messages = await reader.fetch(count - len(found), timeout=FETCHED_S)
            found += [Kept(one.subject, one.headers or {}, json.loads(one.data)) for one in messages]
    finally:
        await client.close()
    return found
