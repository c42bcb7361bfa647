"""What the model is told of a transfer that has ended, and what it is to do now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.call.outcomes import TransferOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

_BACK: Final = "The caller is back with you."
_NEXT: Final = "Say so in one sentence, without blaming anybody, and offer what else you can do."

_NOT_DONE: Final[Mapping[TransferOutcome, str]] = {
    TransferOutcome.BUSY: f"the line is busy. {_BACK} {_NEXT} They may want to try once more later.",
    TransferOutcome.NO_ANSWER: f"nobody answered{{waited}}. {_BACK} {_NEXT}",
    TransferOutcome.DECLINED: f"somebody answered, and cannot take the call now. {_BACK} {_NEXT}",
    TransferOutcome.VOICEMAIL: (
        f"a mailbox answered, or somebody who pressed no key. No message was left there. {_BACK} {_NEXT}"
    ),
    TransferOutcome.UNREACHABLE: f"they cannot be reached now. {_BACK} {_NEXT} Do not try it again.",
    TransferOutcome.CARRIER_FAULT: (
        f"there was a technical fault, and it is not known whether anybody is there. {_BACK} {_NEXT}"
    ),
    TransferOutcome.CLOSED: (
        "it is outside of their hours. Nobody was rung, and the caller has not left you. "
        "Say so in one sentence, and offer what else you can do."
    ),
    TransferOutcome.CALLER_RETURNED: (
        f"the caller did not want to wait any longer{{waited}}. {_BACK} Ask what you can do for them."
    ),
    TransferOutcome.CALLER_HUNG_UP: "the caller hung up{waited}. Nobody is there any more: say nothing.",
}


def words_of(name: str, outcome: TransferOutcome, waited_s: float = 0.0) -> str:
    """What the model is told, in brackets: nobody has said it.

    Args:
        name: of the destination.
        outcome: what became of the transfer.
        waited_s: how long the caller has waited for it.
    """
    if outcome is TransferOutcome.CONNECTED:
        return (
            f"[The caller was put through to {name}, and they have talked. {_BACK} "
            "Ask in one sentence whether there is anything else.]"
        )
    preposition = "for" if outcome is TransferOutcome.NO_ANSWER else "after"
    waited = f" {preposition} {waited_s:.0f} s" if waited_s >= 1 else ""
    what = _NOT_DONE[outcome].format(waited=waited)
    return f"[The transfer to {name} did not work: {what}]"
