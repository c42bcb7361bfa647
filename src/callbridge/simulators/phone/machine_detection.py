"""Whether a person or a machine has picked up, as Twilio guesses it: slowly, and not always rightly.

Source: twilio.com/docs/voice/answering-machine-detection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.simulators.phone.people import Answers

if TYPE_CHECKING:
    from callbridge.simulators.phone.leg import Leg
    from callbridge.simulators.phone.new_leg import NewLeg
    from callbridge.simulators.phone.people import Person

DECIDED_AFTER_S = 4.0
"""Twilio's page: about four seconds on average."""

GREETING_S = 15.0
"""How long a mailbox speaks before its beep, which `DetectMessageEnd` waits for."""


async def answered_by(leg: Leg, asked: NewLeg) -> str:
    """Wait for the verdict, in which nobody hears anything; nothing when none was wanted, or the leg left."""
    if not asked.machine_detection or asked.is_amd_async or leg.person is None:
        return ""
    verdict, after_s = _verdict(leg.person, asked.machine_detection)
    if not await leg.wait(after_s):
        return ""
    leg.answered_by = verdict
    return verdict


def tell_later(leg: Leg, asked: NewLeg) -> None:
    """Where the verdict is wanted beside the call: it comes when it comes, also after the end."""
    if asked.is_amd_async:
        tell_beside(leg, asked.machine_detection, (asked.amd_callback, asked.amd_method))


def tell_beside(leg: Leg, mode: str, where: tuple[str, str]) -> None:
    """The same of a leg that a `<Dial>` has made, where it never comes otherwise."""
    if mode and leg.person is not None:
        assert leg.tasks is not None, "a leg that is carried out has its tasks"
        leg.tasks.create_task(_tell(leg, leg.person, mode, where), name="phone-answered-by")


async def _tell(leg: Leg, person: Person, mode: str, where: tuple[str, str]) -> None:
    verdict, after_s = _verdict(person, mode)
    await leg.pause(after_s)
    leg.answered_by = verdict
    url, method = where
    if url:
        told = {
            "AccountSid": leg.line.account_sid,
            "CallSid": leg.sid,
            "AnsweredBy": verdict,
            "MachineDetectionDuration": str(round(after_s * 1000)),
        }
        await leg.callbacks.post_now(url, method, told)


def _verdict(person: Person, mode: str) -> tuple[str, float]:
    is_machine = person.answers is Answers.MAILBOX
    if is_machine and mode == "DetectMessageEnd":
        return person.taken_for or "machine_end_beep", GREETING_S
    return person.taken_for or ("machine_start" if is_machine else "human"), DECIDED_AFTER_S
