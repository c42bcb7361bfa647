"""Judges whether agents can send the texts that they are to send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.observe.redaction import masked_number
from callbridge.server.config.findings import Finding, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.agents.choosing.choice import Roster
    from callbridge.server.config.settings import Settings


def texts(settings: Settings, roster: Roster | None) -> Iterator[Finding]:
    """From which number, and whether at all. Says nothing where no agent sends any."""
    agents = () if roster is None else roster.all_agents
    senders = ", ".join(name for name, agent in agents if agent.texts is not None)
    if not senders:
        return
    if not settings.twilio_rest:
        yield warning(
            f"agents are to send texts, and none is sent: CALLBRIDGE_TWILIO_REST is false ({senders})",
            "Remove CALLBRIDGE_TWILIO_REST, or take texts=… away from these agents.",
        )
        return
    sender = settings.text_from
    known_as = "the number that was called" if sender is None else masked_number(sender)
    if sender is not None and sender.startswith("MG"):
        known_as = f"the Messaging Service {sender}"
    yield ok(f"texts are sent from {known_as} ({senders}); replies are read at {settings.text_url}")
