"""Accounts for tests: asked without a socket, at a time that the test says."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from callbridge.simulators.account import (
    AccountSettings,
    Exchange,
    QuietExchange,
    Reply,
    RestRequest,
    SimulatedAccount,
)

OURS = "+14155550100"
THEIRS = "+14155550199"
BEGINS_AT = 1_800_000_000.0

Values = Mapping[str, str | list[str]]


class Clock:
    """Seconds since 1970, as the test says."""

    def __init__(self) -> None:
        self.now = BEGINS_AT

    def __call__(self) -> float:
        return self.now


class Desk:
    """An account with one number, and somebody who asks it things."""

    def __init__(self, settings: AccountSettings | None = None, exchange: Exchange | None = None) -> None:
        self.clock = Clock()
        self.account = SimulatedAccount(
            exchange, settings or AccountSettings(numbers=(OURS,)), clock=self.clock
        )
        self.user = self.account.settings.account_sid
        self.password = self.account.settings.auth_token
        self.host = "api.twilio.com"

    @property
    def network(self) -> QuietExchange:
        assert isinstance(self.account.exchange, QuietExchange)
        return self.account.exchange

    def send(self, method: str, path: str, values: Values | None = None) -> Reply:
        """One request: to a path behind the account's, or to a whole one."""
        whole = path if path.startswith("/v1/") else f"/2010-04-01/Accounts/{self.user_path}{path}"
        return self.send_to(method, whole, values)

    @property
    def user_path(self) -> str:
        return self.user if self.user.startswith("AC") else self.account.settings.account_sid

    def send_to(self, method: str, path: str, values: Values | None = None) -> Reply:
        coded = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {
            "host": self.host,
            "authorization": f"Basic {coded}",
            "content-type": "application/x-www-form-urlencoded",
        }
        form = urlencode(values or {}, doseq=True)
        query, body = ("", form.encode()) if method == "POST" else (form, b"")
        path, _, asked = path.partition("?")
        return self.account.answer(RestRequest(method, path, asked or query, headers, body))

    def ask(self, method: str, path: str, values: Values | None = None) -> dict[str, Any]:
        """The body of a good answer."""
        answer = self.send(method, path, values).answer
        assert answer.status < 300, answer
        return dict(answer.body or {})

    def code(self, method: str, path: str, values: Values | None = None) -> tuple[int, object]:
        """HTTP status and code of a refusal."""
        answer = self.send(method, path, values).answer
        return answer.status, (answer.body or {}).get("code")

    def pass_time(self, seconds: float) -> None:
        """What is due meanwhile, happens in its order."""
        until = self.clock.now + seconds
        while (due := self.account.ledger.deadline) is not None and due <= until:
            self.clock.now = max(self.clock.now, due)
            self.account.ledger.wake()
        self.clock.now = until

    @property
    def complained(self) -> list[int]:
        return [complaint.code for complaint in self.account.complaints]
