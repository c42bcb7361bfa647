"""`callbridge calls cost` on a database as a service leaves it, with both accounts simulated."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from callbridge.call import facts
from callbridge.call.bill_facts import Billed
from callbridge.call.usage import Usage
from callbridge.cli import app
from callbridge.records.database import Database
from callbridge.records.migrating import migrate
from callbridge.records.projecting import rebuild
from callbridge.server.config.prices import read_prices
from callbridge.simulators.account import AccountSettings, SimulatedAccount, serve_account
from callbridge.simulators.voice_model import Script, serve_model
from desks import NEEDED
from records.shipments import entry, store

if TYPE_CHECKING:
    from callbridge.call.facts import Fact

NOON = 1_795_003_200.0
"""18 November 2026, 12:00 UTC."""
DAY_S = 86_400
ADMIN = "sk-admin-made-up-for-tests"


TOKENS = Usage(0, 1_000, 0, 1_000)
CALLS = (("CA1", NOON, "clinic"), ("CA2", NOON + 60, "bakery"), ("CA3", NOON + DAY_S, "clinic"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state file of a service that has had three calls on two days."""
    folder = tmp_path_factory.mktemp("records")
    database = Database(f"sqlite:///{folder}/records.db", read_prices().list)
    migrate(database)
    for sid, at, agent in CALLS:
        offered = facts.CallOffered("********00", "********99", priced_as="inbound +1")
        told: list[Fact] = [
            facts.StreamStarted("********00", "********99", agent=agent),
            Billed(TOKENS, 64_000, priced_as="gpt-realtime-2.1", used=TOKENS),
            facts.StreamEnded(facts.EndReason.CALLER_HANGUP, is_admitted=True),
        ]
        store(
            database,
            entry(sid, 1, offered, source="http", at=at),
            *(entry(sid, n, fact, source=f"MZ{sid}", at=at + n) for n, fact in enumerate(told, 1)),
        )
    rebuild(database, NOON, lambda _done, _of: None)
    database.close()
    return folder / "state.db"


@pytest.fixture
def state(only_these: pytest.MonkeyPatch, written: Path) -> str:
    """The same, for a command that knows nothing but what it is given."""
    return str(written)


def run(state: str, *options: str, **more: str) -> tuple[int, str]:
    given = NEEDED | {"CALLBRIDGE_STATE_PATH": state, "COLUMNS": "100"} | more
    ended = CliRunner().invoke(app, ["calls", "cost", *options], env=given)
    return ended.exit_code, ended.output


def told(state: str, *options: str, **more: str) -> Any:
    status, output = run(state, "--json", *options, **more)
    assert status == 0, output
    return json.loads(output)


DAYS = ("--since", "2026-11-18", "--until", "2026-11-19")
ONE = 64_000 + 8_500 + 4_400
"""1,000 tokens of audio, a minute of the line, a minute of its stream."""


@pytest.mark.parametrize(
    ("by", "sums"),
    [
        ("day", {"2026-11-18": 2 * ONE, "2026-11-19": ONE}),
        ("agent", {"clinic": 2 * ONE, "bakery": ONE}),
        ("call", {"CA1": ONE, "CA2": ONE, "CA3": ONE}),
    ],
)
def test_costs_are_added_up(state: str, by: str, sums: dict[str, int]) -> None:
    found = told(state, "--by", by, *DAYS)
    assert {one["name"]: one["microdollars"] for one in found["sums"]} == sums
    assert found["prices_as_of"] == read_prices().list.as_of


def test_the_page_has_a_sum_and_on_request_its_lines(state: str) -> None:
    _, page = run(state, "--lines", *DAYS)
    lines = [line.split() for line in page.splitlines()]
    assert ["2026-11-18", "2", "6.0", "s", "$0.1538", "$1.5380"] in lines
    assert ["together", "3", "9.0", "s", "$0.2307", "$1.5380"] in lines
    assert ["inbound", "+1", "3", "minutes", "$0.0255"] in lines
    assert told(state, "--since", "2026-11-19", "--until", "2026-11-19")["sums"][0]["calls"] == 1


@pytest.mark.parametrize("options", [("--since", "yesterday"), ("--by", "caller"), ("--compare", "18.11.")])
def test_what_is_no_day_is_refused_with_a_remedy(state: str, options: tuple[str, ...]) -> None:
    assert run(state, *options)[0] == 2


def test_without_keys_ours_stands_alone(state: str) -> None:
    found = told(state, "--compare", "2026-11-18", CALLBRIDGE_TWILIO_REST="false")
    assert [row["ours"] for row in found["rows"]] == [128_000, 17_000, 8_800]
    assert {row["theirs"] for row in found["rows"]} == {None}
    assert ["OPENAI_ADMIN_KEY is not set" in found["notes"][0], "REST is off" in found["notes"][1]] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("key", "model_note"), [(ADMIN, ""), ("sk-of-a-project", "does not let OPENAI_ADMIN_KEY look")]
)
def test_both_accounts_are_asked(state: str, key: str, model_note: str) -> None:
    """They had no calls: the difference is all of it."""

    async def ask() -> Any:
        settings = AccountSettings(NEEDED["TWILIO_ACCOUNT_SID"], NEEDED["TWILIO_AUTH_TOKEN"])
        account = SimulatedAccount(settings=settings)
        async with serve_account(account) as server, serve_model(Script(), admin_keys=[ADMIN]) as model:
            more = {
                "CALLBRIDGE_TWILIO_API_URL": server.base_url,
                "CALLBRIDGE_REALTIME_URL": model.url,
                "OPENAI_ADMIN_KEY": key,
            }
            found = await asyncio.to_thread(told, state, "--compare", "2026-11-18", **more)
        assert not account.complaints
        return found

    found = asyncio.run(ask())
    theirs = [row["theirs"] for row in found["rows"]]
    assert theirs == [None if model_note else 0, 0, 0]
    assert model_note in found["notes"][0]
    assert found["rows"][1]["difference"] == 17_000
