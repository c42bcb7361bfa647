"""Who is told of calls, as it is written down: what is read, and what is said of what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from callbridge.records.outbox.events import OF_CALLS
from callbridge.records.outbox.webhook import Made, Picked, Webhook
from callbridge.server.config.settings import read_settings
from callbridge.server.config.webhooks import WebhooksError, read_webhooks

NEEDED = {
    "OPENAI_API_KEY": "sk-test",
    "TWILIO_ACCOUNT_SID": f"AC{'0' * 32}",
    "TWILIO_AUTH_TOKEN": "token",
    "PUBLIC_BASE_URL": "https://calls.example.com",
    "CALLBRIDGE_STATE_PATH": "state.db",
}
SECRET, OTHER = f"whsec_{'A' * 32}", f"whsec_{'B' * 32}"
ENVIRONMENT = {"CRM_SECRET": SECRET, "OLD": OTHER, "TOKEN": "token-4711", "SHORT": "x", "WRONG": "no secret"}
FIRST = '[[webhook]]\nname = "crm"\nurl = "https://crm.example.com/calls"\nsecret = "${CRM_SECRET}"\n'


def read(tmp_path: Path, text: str, **settings: str) -> tuple[Webhook, ...]:
    path = tmp_path / "webhooks.toml"
    path.write_text(text)
    return read_webhooks(read_settings(NEEDED | settings | {"CALLBRIDGE_WEBHOOKS": str(path)}), ENVIRONMENT)


def test_nobody_is_told_unless_it_is_wished() -> None:
    assert read_webhooks(read_settings(NEEDED), ENVIRONMENT) == ()


def test_one_receiver_needs_no_file() -> None:
    given = {
        "CALLBRIDGE_WEBHOOK_URL": "https://crm.example.com/hook/4711",
        "CALLBRIDGE_WEBHOOK_SECRET": f"{SECRET}, {OTHER}",
        "CALLBRIDGE_WEBHOOK_FACTS": "tool_used, captured",
    }
    (one,) = read_webhooks(read_settings(NEEDED | given), {})
    assert (one.url, len(one.keys)) == ("https://crm.example.com/hook/4711", 2)
    assert one.events == {*OF_CALLS, "fact.tool_used", "fact.captured"}
    assert one.hide("at https://crm.example.com/hook/4711") == "at [secret]"
    every = read_settings(NEEDED | given | {"CALLBRIDGE_WEBHOOK_FACTS": "all"})
    assert read_webhooks(every, {})[0].wants("fact.turn_ended")


def test_a_file_has_several(tmp_path: Path) -> None:
    """Each with its own events, secrets, headers and template."""
    (tmp_path / "own_crm.py").write_text("def to_crm(story):\n    return None\n")
    text = FIRST + (
        'events = ["call.completed", "fact.captured"]\n'
        '[[webhook]]\nname = "rotated"\nurl = "http://localhost:9000/x"\n'
        'secret = ["${CRM_SECRET}", "${OLD}"]\n'
        '[[webhook]]\nname = "picked"\nurl = "https://x.example"\nbody = "{a: data.caller}"\nmethod = "PUT"\n'
        'headers = { Authorization = "Bearer ${TOKEN}" }\ninternal = true\n'
        '[[webhook]]\nname = "made"\nurl = "https://${TOKEN}.example"\nfunction = "own_crm:to_crm"\n'
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path)
        first, rotated, picked, made = read(tmp_path, text)
    assert (first.name, first.keys) == ("crm", (bytes(24),))
    assert first.events == {"call.completed", "fact.captured"}
    assert len(rotated.keys) == 2
    assert isinstance(picked.template, Picked)
    assert (picked.headers, picked.is_internal) == ({"Authorization": "Bearer token-4711"}, True)
    assert picked.hide("no such token-4711") == "no such [secret]"
    assert isinstance(made.template, Made)
    assert made.url == "https://token-4711.example"
    assert made.events == {"call.completed"}


def test_the_file_and_the_settings_go_together(tmp_path: Path) -> None:
    more = {"CALLBRIDGE_WEBHOOK_URL": "https://x.example", "CALLBRIDGE_WEBHOOK_SECRET": SECRET}
    assert [one.name for one in read(tmp_path, FIRST, **more)] == ["crm", "webhook"]
    with pytest.raises(WebhooksError, match="another name"):
        read(tmp_path, FIRST.replace("crm", "webhook", 1), **more)


WRONG = {
    "is not TOML": "[[webhook",
    "line 3, webhook[1].url: http://crm.example.com: http:// may lead": FIRST.replace("https:", "http:"),
    "10.0.0.1 is an internal address": FIRST.replace("crm.example.com", "10.0.0.1"),
    "is no URL": FIRST.replace("https://crm.example.com/calls", "crm"),
    "in ASCII": FIRST.replace("/calls", "/ä"),
    "secret: it is missing; write": FIRST.partition("secret")[0],
    "it stands here for all to read": FIRST.replace("${CRM_SECRET}", SECRET),
    "NOBODY must be set in the environment": FIRST.replace("CRM_SECRET", "NOBODY"),
    "what ${WRONG} stands for must begin with whsec_": FIRST.replace("CRM_SECRET", "WRONG"),
    "SHORT has fewer than": FIRST.replace("CRM_SECRET", "SHORT"),
    "at most 2 secrets": FIRST.replace('"${CRM_SECRET}"', '["${CRM_SECRET}", "${OLD}", "${CRM_SECRET}"]'),
    "there are two of the name crm": FIRST + FIRST,
    "there is no event 'call.ended'": FIRST + 'events = ["call.ended"]',
    "Did you mean tool_used?": FIRST + 'events = ["fact.tools_used"]',
    "no such key; did you mean headers?": FIRST + 'header = { A = "b" }',
    "the header Webhook-Id is set by callbridge": FIRST + 'headers = { Webhook-Id = "b" }',
    "it is no JMESPath expression": FIRST + 'body = "{a: "',
    "one of them makes the request": FIRST + 'body = "data"\nfunction = "json:dumps"',
    "write nothing as module:name": FIRST + 'function = "nothing"',
    "importing no_such_module failed": FIRST + 'function = "no_such_module:f"',
    "json has no function dump_it": FIRST + 'function = "json:dump_it"',
    "a function is told of call.completed, call.analyzed, call.recorded alone": FIRST
    + 'function = "json:dumps"\nevents = ["fact.*"]',
    "it is missing": '[[webhook]]\nurl = "https://x.example"\n',
}


@pytest.mark.parametrize(("words", "text"), WRONG.items())
def test_what_cannot_be_told_is_said(tmp_path: Path, words: str, text: str) -> None:
    """With its place, and without secrets."""
    with pytest.raises(WebhooksError) as caught:
        read(tmp_path, text)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
    assert str(caught.value).startswith("CALLBRIDGE_WEBHOOKS: ")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = FIRST + 'events = ["call.ended"]\nbody = "("\n[[webhook]]\nname = "other"\nurl = "x"\n'
    with pytest.raises(WebhooksError) as caught:
        read(tmp_path, text)
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "line 5, webhook[1].events",
        "line 6, webhook[1].body",
        "line 7, webhook[2].secret",
        "line 9, webhook[2].url",
    ]


def test_without_records_there_is_nothing_to_tell(tmp_path: Path) -> None:
    with pytest.raises(WebhooksError, match="no records are kept"):
        read(tmp_path, FIRST, DATABASE_URL="off")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    given = read_settings(NEEDED | {"CALLBRIDGE_WEBHOOKS": str(tmp_path / "none.toml")})
    with pytest.raises(WebhooksError, match="cannot be read: No such file"):
        read_webhooks(given, {})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("CALLBRIDGE_WEBHOOK_URL", "http://crm.example.com", "development"),
        ("CALLBRIDGE_WEBHOOK_SECRET", "secret", "openssl"),
        ("CALLBRIDGE_WEBHOOK_FACTS", "tools", "is no kind of facts"),
    ],
)
def test_settings_that_are_wrong_are_told(name: str, value: str, words: str) -> None:
    given = {"CALLBRIDGE_WEBHOOK_URL": "https://x.example", "CALLBRIDGE_WEBHOOK_SECRET": SECRET, name: value}
    with pytest.raises(Exception, match=words):
        read_settings(NEEDED | given)


@pytest.mark.parametrize("missing", ["CALLBRIDGE_WEBHOOK_URL", "CALLBRIDGE_WEBHOOK_SECRET"])
def test_half_a_receiver_is_told(missing: str) -> None:
    given = {"CALLBRIDGE_WEBHOOK_URL": "https://x.example", "CALLBRIDGE_WEBHOOK_SECRET": SECRET}
    with pytest.raises(Exception, match=f"{missing} is not"):
        read_settings(NEEDED | {name: value for name, value in given.items() if name != missing})
