"""Whom the service trusts, over real sockets: a new token, a SharedKey, a tunnel, an app of a user's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from callbridge.call.facts import EndReason
from callbridge.simulators.phone import Misbehaviour, SharedKey, WaitForEnd
from callbridge.simulators.phone.events import WebhookAnswered
from e2e.processes import Front
from e2e.raw import ringing
from e2e.stack import AUTH_TOKEN, CONNECTED_AND_ENDED, UNDIALLED, Log, hello_and_goodbye, stack

if TYPE_CHECKING:
    from callbridge.simulators.phone import PhoneEvent

pytestmark = pytest.mark.usefixtures("nothing_left")

HELLO_AND_GOODBYE = hello_and_goodbye(300)
NEXT_TOKEN = "made-up-token-after-the-rotation"
SID = "CA" + "1" * 32


async def test_a_rotation_of_the_auth_token_drops_no_call(log: Log) -> None:
    """One process knows the old token, the next one both: a call that the first has offered streams to it.

    Meanwhile Twilio signs with the new one.
    """
    rotated = {
        "TWILIO_AUTH_TOKEN": NEXT_TOKEN,
        "CALLBRIDGE_OTHER_AUTH_TOKENS": AUTH_TOKEN,
        "CALLBRIDGE_SECRET_KEY": "k" * 32,
    }
    async with Front().open() as front:
        address = {"PUBLIC_BASE_URL": front.url}
        async with (
            stack(HELLO_AND_GOODBYE, environment=address | UNDIALLED) as old,
            stack(HELLO_AND_GOODBYE, environment=address | rotated) as new,
        ):
            front.send_to(old)

            def deploy(event: PhoneEvent) -> None:
                if isinstance(event, WebhookAnswered):
                    front.send_to(new)

            phone = old.phone([WaitForEnd()], on_event=deploy, next_auth_token=NEXT_TOKEN)
            call = await old.finish(phone)
            assert old.ends == []
            assert [end.reason for end in new.ends] == [EndReason.AGENT_HANGUP]
    assert call.verbs == CONNECTED_AND_ENDED
    assert call.report.warnings == []
    assert log.events("call_offered", call.sid)
    for secret in (AUTH_TOKEN, NEXT_TOKEN, "k" * 32):
        assert secret not in log.text


async def test_a_webhook_that_is_signed_with_a_shared_key_is_refused_in_words(log: Log) -> None:
    key = SharedKey("webhooks_sharedkey_1", "a secret of its own")
    async with stack(HELLO_AND_GOODBYE) as running:
        report = await running.phone([WaitForEnd()], shared_key=key).run()
        assert running.model.sessions == []
    assert [warning.code for warning in report.warnings][:1] == [11200]
    assert "SharedKey" in log.events("webhook_refused")[0]["reason"]


async def test_a_stale_address_is_told_with_the_one_to_set(log: Log) -> None:
    """The tunnel was started anew, and nobody has told the service."""
    stale = {"PUBLIC_BASE_URL": "https://yesterday.example"}
    async with Front().open() as front, stack(HELLO_AND_GOODBYE, environment=stale) as running:
        front.send_to(running)
        url = f"{front.url}/twilio/voice"
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.post(url, **ringing(url, SID))).status_code == 403
    (line,) = log.events("webhook_refused")
    assert line["reason"] == f"PUBLIC_BASE_URL is https://yesterday.example, and Twilio asked {url}"


UNSIGNED = frozenset({Misbehaviour.UNSIGNED_WEBHOOK, Misbehaviour.UNSIGNED_SOCKET})


async def test_without_signatures_a_tunnel_brings_nobody_in(log: Log) -> None:
    """An unsigned call of this machine is carried; what came through a tunnel reaches nothing."""
    off = {"CALLBRIDGE_VALIDATE_SIGNATURES": "false"}
    async with stack(HELLO_AND_GOODBYE, environment=off) as running:
        call = await running.call([WaitForEnd()], misbehaviours=UNSIGNED)
        assert call.verbs == CONNECTED_AND_ENDED
        url, form = running.settings.voice_url, ringing(running.settings.voice_url, SID)["data"]
        for headers in ({"Host": "some-words.trycloudflare.com"}, {"Cf-Connecting-Ip": "1.2.3.4"}):
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.post(url, data=form, headers=headers)).status_code == 403
            stream_url = running.settings.stream_url.replace("127.0.0.1", headers.get("Host", "127.0.0.1"))
            more = {name: value for name, value in headers.items() if name != "Host"}
            with pytest.raises(InvalidStatus) as caught:
                await connect(stream_url, host="127.0.0.1", additional_headers=more, proxy=None)
            assert caught.value.response.status_code == 403
        assert len(running.model.sessions) == 1
    assert len(log.events("signatures_off")) == 1
    assert len(log.events("webhook_refused")) == len(log.events("upgrade_refused")) == 1


async def test_an_app_of_a_users_own_carries_calls(log: Log) -> None:
    """Mounted under a prefix, on uvicorn as it is by default, without the fast lane."""
    async with stack(HELLO_AND_GOODBYE, mounted_at="/calls") as running:
        assert running.settings.stream_url.endswith("/calls/media-stream")
        call = await running.call([WaitForEnd()])
        assert call.ended.reason is EndReason.AGENT_HANGUP
    assert call.verbs == CONNECTED_AND_ENDED
    assert call.report.warnings == []
    assert log.events("webhook_refused") == []
