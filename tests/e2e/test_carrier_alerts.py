"""What Twilio's debugger tells of a call that was answered here, over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from callbridge.server.config.addresses import DEBUGGER_PATH
from callbridge.simulators.account import AccountSettings, SimulatedAccount, serve_account
from callbridge.simulators.phone import WaitForEnd
from e2e.stack import ACCOUNT_SID, AUTH_TOKEN, hello_and_goodbye, stack
from leftovers import until

if TYPE_CHECKING:
    from e2e.stack import Log

pytestmark = pytest.mark.usefixtures("nothing_left")


async def test_an_error_of_twilios_about_a_call_is_in_its_log(log: Log) -> None:
    """Once, with the remedy; the end that we had planned, and calls of others, are not."""
    made = AccountSettings(account_sid=ACCOUNT_SID, auth_token=AUTH_TOKEN)
    account = SimulatedAccount(settings=made)
    async with stack(hello_and_goodbye(200)) as running, serve_account(account):
        call = await running.call([WaitForEnd()])
        account.ledger.debugger_url = running.settings.public_base_url + DEBUGGER_PATH
        account.ledger.complain(31921, "closed by the server", call.sid)
        account.ledger.complain(11200, "somebody else's", "CA" + "9" * 32)
        account.ledger.complain(15003, "Got HTTP 502 for +14155550100", call.sid)
        assert await until(lambda: bool(log.events("carrier_alert")))
    (line,) = log.events("carrier_alert")
    assert (line["call_sid"], line["code"], line["severity"]) == (call.sid, "15003", "warning")
    assert line["said"] == "Got HTTP 502 for +********00"
    assert line["remedy"]
