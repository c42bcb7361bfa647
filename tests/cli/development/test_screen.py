"""What `callbridge dev` says to do next."""

from __future__ import annotations

from callbridge import Agent, Call, Destination
from callbridge.cli.development.screen import how_to_call

URL = "http://127.0.0.1:8080/twilio/voice"


def on_duty(call: Call) -> str:
    """Whoever is on duty."""
    return "+14155550101"


def test_whom_the_agent_knows_can_be_rung_with_the_command_that_is_shown() -> None:
    plain = Agent()
    several = Agent(
        transfers=[
            Destination("duty", on_duty, within=["+1"]),
            Destination("desk", "sip:desk@pbx.example.com;transport=tls"),
            Destination("office", "+14155550100"),
        ]
    )
    assert how_to_call(URL, [plain]).endswith(f"callbridge simulate call {URL}")
    shown = how_to_call(URL, [plain, several])
    assert shown.endswith(f"{URL} --person 'sip:desk@pbx.example.com;transport=tls'=takes")
