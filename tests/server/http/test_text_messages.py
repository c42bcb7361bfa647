"""The webhooks of texts: signed, of our account, and answered so that nothing is sent back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import httpx
import pytest
from fastapi import FastAPI

from callbridge.call.outcomes import TextOutcome
from callbridge.call.telephone_facts import TextAsked, TextTold
from callbridge.server.http.text_messages import texts_router
from callbridge.server.process.texting import Texting
from callbridge.state.text_notes import NoteKind
from callbridge.switchboard.text_news import is_news, with_length
from callbridge.telephony.signatures import sign
from desks import ACCOUNT, AUTH_TOKEN, BASE, CALL, CALLED, CALLER, FrontDesk

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS = {"MessageSid": "SM1", "AccountSid": ACCOUNT}
CAME = OURS | {"From": CALLER, "To": CALLED, "Body": "Yes.", "NumMedia": "0"}
STATUS = OURS | {"MessageStatus": "delivered", "To": CALLER}


@dataclass
class Webhooks(FrontDesk):
    """The routes, and a Twilio that signs."""

    environment: Mapping[str, str] = field(default_factory=lambda: {"CALLBRIDGE_CALLER_MEMORY_DAYS": "1"})

    def __post_init__(self) -> None:
        super().__post_init__()
        app = FastAPI()
        app.include_router(texts_router(self.desk, Texting(self.desk)))
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://10.0.0.7")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def post(self, target: str, form: Mapping[str, str], token: str = AUTH_TOKEN) -> httpx.Response:
        signature = sign(token, BASE + target, form.items())
        return await self.client.post(target, data=dict(form), headers={"X-Twilio-Signature": signature})


async def test_a_text_is_taken_and_not_answered() -> None:
    async with Webhooks() as webhooks:
        answer = await webhooks.post("/twilio/text", CAME)
        assert answer.status_code == 200
        assert answer.text.endswith("<Response />")
        await webhooks.post("/twilio/text", CAME)
        notes = await webhooks.state.texts(webhooks.desk.remembered_key(CALLER), 0.0)
        assert [(note.kind, note.words) for note in notes] == [(NoteKind.REPLY, "Yes.")]


async def test_a_status_is_of_the_text_in_the_address() -> None:
    async with Webhooks() as webhooks:
        webhooks.desk.note(CALL, TextAsked("text_1"))
        for text in ("text_2", "text_1"):
            await webhooks.post(f"/twilio/text-status?call={CALL}&text={text}", STATUS)
        known = [fact for _, fact in await webhooks.desk.known(CALL)]
        assert [fact.outcome for fact in known if isinstance(fact, TextTold)] == [TextOutcome.DELIVERED]
        accepted = TextTold("text_1", TextOutcome.ACCEPTED, segments=2, priced_as="text +1")
        assert not is_news(known, accepted)
        # Twilio's answer comes behind its own report: the length is told by it alone.
        late = with_length(known, accepted)
        assert late == TextTold("text_1", TextOutcome.DELIVERED, segments=2, priced_as="text +1")
        assert late is not None
        assert with_length([*known, late], accepted) is None


@pytest.mark.parametrize("path", ["/twilio/text", f"/twilio/text-status?call={CALL}&text=text_1"])
async def test_strangers_are_turned_away(path: str) -> None:
    form = STATUS if "status" in path else CAME
    async with Webhooks() as webhooks:
        webhooks.desk.note(CALL, TextAsked("text_1"))
        refused = [
            await webhooks.post(path, form, token="another"),
            await webhooks.post(path, form | {"AccountSid": "AC" + "1" * 32}),
            await webhooks.client.post(path, data=form),
        ]
        assert [answer.status_code for answer in refused] == [403] * 3
        for needed in ("MessageSid", "AccountSid"):
            left = {name: value for name, value in form.items() if name != needed}
            assert (await webhooks.post(path, left)).status_code == 400
        assert await webhooks.kinds() == ["text_asked"]
        assert await webhooks.state.texts(webhooks.desk.remembered_key(CALLER), 0.0) == ()
