"""The example of an agent without code, and a service on this machine that it asks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from callbridge.agents.written.reading import read_agent
from small_server import answered

if TYPE_CHECKING:
    from callbridge.agents.agent import Agent
    from small_server import Asked

EXAMPLE = Path(__file__).parents[1] / "examples" / "pharmacy.toml"
KEY = "pk-live-4711"

_SERVICE = "https://api.lindenpharmacy.example"
_STOCK = {
    "stock": {"packages": 3, "shelf": "B4"},
    "price": {"amount": 7.5},
    "similar": [{"name": "naproxen", "in_stock": True}, {"name": "aspirin", "in_stock": False}],
    "asked_by": f"Bearer {KEY}",
}
_RESERVED = {"reservation": {"number": 17, "held_until": f"20:00 for {KEY}"}}


def pharmacy(asked: Asked) -> bytes:
    """The pharmacy's own system. It is careless with keys."""
    return answered(json.dumps(_STOCK if asked.method == "GET" else _RESERVED))


def pharmacys_agent(origin: str, folder: Path) -> Agent:
    """The example, whose service is at `origin`. `folder`: for a copy of it."""
    copy = folder / EXAMPLE.name
    copy.write_text(EXAMPLE.read_text(encoding="utf-8").replace(_SERVICE, origin), encoding="utf-8")
    return read_agent(copy, {"PHARMACY_KEY": KEY}).agent
