"""A question at the terminal: what is pressed counts at once."""

from __future__ import annotations

import asyncio
import signal

import pytest
import typer

from callbridge.cli.consent import agrees


def test_ctrl_c_at_a_question_is_no_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.run` would note it, and cancel where the work waits for something the next time."""
    agreed = list[bool]()

    def confirm(_question: str) -> bool:
        signal.raise_signal(signal.SIGINT)
        return True

    async def buys() -> None:
        agreed.append(agrees("Buy it?"))

    monkeypatch.setattr(typer, "confirm", confirm)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(buys())
    assert agreed == []
    assert signal.getsignal(signal.SIGINT) is before
