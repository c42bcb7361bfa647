"""Twilio's REST API on a laptop: an account with numbers, calls, messages and alerts, strict as the real one.

The parts, from the inside out. Pure: `rest`, `form`, `formats`, `pages` (the wire), `ledger` (what it owns),
one module per resource, `routes`, `account`. Shell: `server`. `telephone` is what it needs of the network.
"""

from __future__ import annotations

from callbridge.simulators.account.account import Reply, Seen, SimulatedAccount
from callbridge.simulators.account.faults import Fault, FaultKind
from callbridge.simulators.account.ledger import AccountSettings, ApiKey
from callbridge.simulators.account.message import Delivery, Message
from callbridge.simulators.account.rest import RestAnswer, RestRequest
from callbridge.simulators.account.server import AccountServer, serve_account
from callbridge.simulators.account.telephone import Exchange, Leg, NewLeg, QuietExchange, QuietLeg

__all__ = [
    "AccountServer",
    "AccountSettings",
    "ApiKey",
    "Delivery",
    "Exchange",
    "Fault",
    "FaultKind",
    "Leg",
    "Message",
    "NewLeg",
    "QuietExchange",
    "QuietLeg",
    "Reply",
    "RestAnswer",
    "RestRequest",
    "Seen",
    "SimulatedAccount",
    "serve_account",
]
