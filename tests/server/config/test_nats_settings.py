"""How NATS is named: servers, users, events; and what `callbridge check` says of it without asking it."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from callbridge.server.config.check_nats import nats
from callbridge.server.config.nats import DAY_S, nats_servers, read_nats, read_receivers
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.config.webhooks import WebhooksError
from desks import made_settings

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.server.config.settings import Settings

pytest.importorskip("nats")


@pytest.fixture
def state(tmp_path: Path) -> str:
    return str(tmp_path / "state.db")


def settings(state: str, url: str = "nats://127.0.0.1:4222", **more: str) -> Settings:
    return made_settings({"NATS_URL": url, "CALLBRIDGE_STATE_PATH": state} | more)


def test_servers_are_read_apart_from_their_user(state: str) -> None:
    """Percent signs are the address's, not the password's; nothing secret is shown."""
    servers = nats_servers(settings(state, "tls://calls:p%40ss@a.example.com, tls://b.example.com:4333"))
    assert servers.addresses == ("a.example.com:4222", "b.example.com:4333")
    assert (servers.user, servers.password, servers.token) == ("calls", "p@ss", "")
    assert servers.must_encrypt
    assert "p@ss" not in repr(servers)
    token = nats_servers(settings(state, "nats://s3cr3t-token@[::1]:4222"))
    assert (token.addresses, token.user, token.token) == (("[::1]:4222",), "", "s3cr3t-token")
    assert not token.must_encrypt


def test_a_stream_keeps_words_no_longer_than_records_do(state: str) -> None:
    days = {"CALLBRIDGE_WORDS_KEPT_DAYS": "7", "CALLBRIDGE_RECORDS_KEPT_DAYS": "20"}
    assert nats_servers(settings(state, **days)).kept_s == 20 * DAY_S
    assert nats_servers(settings(state, **days, CALLBRIDGE_KEEP_WORDS="true")).kept_s == 7 * DAY_S


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"NATS_URL": "nats://a:b@x.example, nats://c:d@y.example"}, "has several users"),
        ({"NATS_URL": "nats://x.example, tls://y.example"}, "either all nats:// or all tls://"),
        ({"NATS_URL": ", ".join(["nats://x.example"] * 11)}, "at most 10 addresses"),
        ({"CALLBRIDGE_NATS_CREDENTIALS": "x.creds"}, "NATS_URL is not. Set NATS_URL"),
        (
            {"NATS_URL": "nats://a:b@x.example", "CALLBRIDGE_NATS_CREDENTIALS": "x.creds"},
            "Remove one of the two",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        made_settings(given)
    assert reason in str(caught.value)


def test_what_keeps_it_from_being_told_is_said_at_the_start(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(**more: str) -> str:
        with pytest.raises(WebhooksError) as caught:
            read_receivers(settings(state, **more), {})
        return str(caught.value)

    assert "no records are kept to tell of" in refusal(DATABASE_URL="off")
    assert "there is no file" in refusal(CALLBRIDGE_NATS_CREDENTIALS=str(tmp_path / "none.creds"))
    file = tmp_path / "webhooks.toml"
    file.write_text('[[webhook]]\nname = "nats"\nurl = "https://x.example"\nbody = "data"\n')
    assert "Give it another name" in refusal(CALLBRIDGE_WEBHOOKS=str(file))
    found = importlib.util.find_spec

    def without_nats(name: str, *more: Any) -> Any:
        return None if name == "nats" else found(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without_nats)
    assert "pip install 'callbridge[nats]'" in refusal()


def test_events_are_chosen(state: str) -> None:
    """All of them unless some are named."""
    chosen = read_nats(settings(state, CALLBRIDGE_NATS_EVENTS="call.completed, fact.tool_used"))
    everything = read_nats(settings(state, CALLBRIDGE_NATS_EVENTS="all"))
    assert chosen is not None
    assert everything is not None
    kinds = ("call.completed", "call.recorded", "fact.tool_used", "fact.said")
    assert [chosen.wants(kind) for kind in kinds] == [True, False, True, False]
    assert all(everything.wants(kind) for kind in kinds)
    assert everything == read_nats(settings(state))


def test_check_says_in_what_company_it_is_told(state: str) -> None:
    (told,) = nats(settings(state))
    assert told.what == (
        "NATS at 127.0.0.1:4222 is told of "
        "call.analyzed, call.completed, call.recorded, fact.*, without words"
    )
    _, plain = nats(settings(state, "nats://calls:secret-1@nats.example.com", CALLBRIDGE_KEEP_WORDS="true"))
    assert "lets nats.example.com:4222 decide whether anything is encrypted" in plain.what
    assert len(list(nats(settings(state, "tls://nats.example.com")))) == 1
    assert list(nats(made_settings())) == []
