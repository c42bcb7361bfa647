"""How the request to a receiver is made: as it is, picked by an expression, or by a user's function."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from callbridge import WebhookRequest
from callbridge.agents.http.answers import Path
from callbridge.records.outbox.body import body_of
from callbridge.records.outbox.sample import SAMPLE_SID, sample_event
from callbridge.records.outbox.webhook import Made, Outgoing, Picked, TemplateFault, Webhook

if TYPE_CHECKING:
    from callbridge.records.story import CallStory

EVENT = sample_event(1_764_345_600.0)
URL = "https://crm.example.com/calls?key=1"


def sent(template: Picked | Made | None = None, **changes: Any) -> Outgoing | None:
    webhook = Webhook(name="crm", url=URL, events=frozenset({"call.completed"}), template=template, **changes)
    return webhook.request_for(EVENT, body_of(EVENT), 1_764_345_601)


def test_without_a_template_the_body_is_ours() -> None:
    outgoing = sent(keys=(b"k" * 32,), headers={"X-Team": "one", "Content-Type": "application/cloud+json"})
    assert outgoing is not None
    assert (outgoing.method, outgoing.path) == ("POST", "/calls?key=1")
    assert json.loads(outgoing.content)["data"]["call_sid"] == SAMPLE_SID
    assert outgoing.headers.keys() == {
        *("content-type", "x-team", "webhook-id", "webhook-timestamp", "webhook-signature"),
    }
    assert outgoing.headers["content-type"] == "application/cloud+json"
    assert (outgoing.headers["webhook-id"], outgoing.headers["webhook-timestamp"]) == (EVENT.id, "1764345601")


def test_an_expression_picks_the_body() -> None:
    outgoing = sent(Picked(Path("{phone: data.caller, said: data.transcript[].words}"), "PUT"))
    assert outgoing is not None
    assert outgoing.method == "PUT"
    body = json.loads(outgoing.content)
    assert (body["phone"], len(body["said"])) == ("+14155550100", 3)


def test_nothing_is_sent_where_the_template_wants_that() -> None:
    assert sent(Picked(Path("data.captured.Complaint"))) is None
    assert sent(Made(lambda _story: None)) is None


def test_a_function_decides_all_but_the_host() -> None:
    def to_crm(story: CallStory) -> WebhookRequest:
        return WebhookRequest([story.caller], "PATCH", f"/v2/{story.call_sid}?full=1", {"X-Once": "1"})

    outgoing = sent(Made(to_crm), headers={"x-once": "0", "Authorization": "Bearer x"})
    assert outgoing is not None
    assert (outgoing.method, outgoing.path) == ("PATCH", f"/v2/{SAMPLE_SID}?full=1")
    assert outgoing.content == b'["+14155550100"]'
    assert outgoing.headers["x-once"] == "1"
    assert outgoing.headers["authorization"] == "Bearer x"


async def _later(_story: CallStory) -> None:
    pass


WRONG: dict[str, Picked | Made] = {
    "does not fit": Picked(Path("join(',', data.duration_ms)")),
    "neither an object": Picked(Path("data.caller")),
    "answers a str": Made(lambda story: story.caller),  # type: ignore[arg-type, return-value]  # What is tested.
    "is async": Made(_later),  # type: ignore[arg-type]  # So here.
    "is not JSON": Made(lambda _story: {"x": object()}),
    "has more than": Made(lambda _story: {"x": "x" * 2_000_000}),
    "must begin with one /": Made(lambda _story: WebhookRequest({}, path="//evil.example/")),
    "have no spaces": Made(lambda _story: WebhookRequest({}, path="/a b")),
    "set by callbridge": Made(lambda _story: WebhookRequest({}, headers={"Webhook-Id": "x"})),
    "no header can carry": Made(lambda _story: WebhookRequest({}, headers={"X-A": "1\r\nX-B: 2"})),
    "no name of a header": Made(lambda _story: WebhookRequest({}, headers={"X A": "1"})),
}


@pytest.mark.parametrize(("words", "template"), WRONG.items())
def test_a_template_that_is_wrong_is_told(words: str, template: Picked | Made) -> None:
    """In words that have nothing of the call in them."""
    with pytest.raises(TemplateFault, match=words) as caught:
        sent(template)
    assert "4155550100" not in str(caught.value)


def test_what_it_is_shown_as_has_no_secret() -> None:
    """A receiver is shown in tracebacks and logs, perhaps: without its path, its headers and keys."""
    webhook = Webhook(
        name="crm", url=URL, keys=(b"secret-key",), headers={"A": "secret-value"}, events=frozenset()
    )
    assert webhook.place == "https://crm.example.com"
    assert not {"secret", "key=1"} & {word for word in ("secret", "key=1") if word in repr(webhook)}
