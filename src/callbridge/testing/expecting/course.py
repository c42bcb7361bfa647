"""What a test expects of the course of a call: its end, steps, captured objects, transfers, keys, texts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from callbridge.call.agent_facts import AgentChanged, StepEntered
from callbridge.call.end_reasons import EndReason
from callbridge.call.facts import KeysPressed
from callbridge.call.outcomes import TextOutcome, TransferOutcome
from callbridge.call.telephone_facts import TextAsked, TextTold, TransferAsked, TransferEnded
from callbridge.testing.call_data import ComplaintKind
from callbridge.testing.expecting.matching import check_names, differences, parsed
from callbridge.testing.expecting.unmet import Unmet, missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from callbridge.testing.call_data import CallData, Complaint

__tracebackhide__ = True

_ENDED_BY: Final = {"agent": EndReason.AGENT_HANGUP.value, "caller": EndReason.CALLER_HANGUP.value}


def ended(call: CallData, reason: str) -> Unmet | None:
    """The call ended for this reason.

    Raises:
        ValueError: there is no such reason.
    """
    known = [one.value for one in EndReason]
    if reason not in known:
        raise ValueError(f"no call ends by {reason!r}; it may be: {', '.join(known)}")
    if call.story.end_reason == reason:
        return None
    if not call.story.end_reason:
        return missing("how the call ended", f"it is {call.story.state}", _last(call))
    line = f"expected the call to end by {reason}; it ended by {call.story.end_reason}"
    return Unmet(f"{line} {call.story.end_detail}".rstrip(), tuple(_last(call)))


def ended_by(call: CallData, whom: Literal["agent", "caller"]) -> Unmet | None:
    """The call ended by the agent's wish, or because the caller hung up."""
    if whom not in _ENDED_BY:
        raise ValueError(f"a call is ended by 'agent' or 'caller', and by no {whom!r}")
    return ended(call, _ENDED_BY[whom])


def _last(call: CallData) -> Iterable[str]:
    for turn in call.story.turns[-1:]:
        if turn.caller:
            yield f"the caller's last words: {turn.caller!r}"
        if turn.heard:
            yield f"heard last: {turn.heard!r}"


# --- Steps and captured objects -------------------------------------------------------------------------


def step(call: CallData, name: str) -> Unmet | None:
    """The flow came to this step."""
    entered = [fact.step for fact in call.facts if isinstance(fact, StepEntered)]
    if name in entered:
        return None
    found = _path(call)
    if not entered:
        return missing(f"expected the step {name}; the flow", "the agent entered no step")
    return Unmet(f"expected the flow to come to {name}; it did not", found)


def steps(call: CallData, names: Sequence[str]) -> Unmet | None:
    """The flow went through these steps, in this order, and through no others."""
    check_names("steps", names)
    entered = [fact.step for fact in call.facts if isinstance(fact, StepEntered)]
    if entered == list(names):
        return None
    line = f"expected the steps {' > '.join(names)}; the flow went {' > '.join(entered) or 'nowhere'}"
    return Unmet(line, _path(call))


def _path(call: CallData) -> tuple[str, ...]:
    return tuple(
        f"{fact.step}: {fact.because or 'the first one'}"
        for fact in call.facts
        if isinstance(fact, StepEntered)
    )


def handed_to(call: CallData, agent: str) -> Unmet | None:
    """The caller was handed over to this agent, within the call."""
    changes = [fact for fact in call.facts if isinstance(fact, AgentChanged)]
    if any(fact.agent == agent for fact in changes):
        return None
    found = tuple(f"{fact.was} > {fact.agent}: {fact.because}" for fact in changes)
    line = f"expected the caller to be handed over to {agent}; they were not"
    return Unmet(line, found or ("they stayed with the agent that answered",))


def captured(call: CallData, form: str, fields: Mapping[str, Any]) -> Unmet | None:
    """An object of the form was captured, with at least these fields."""
    objects = call.story.captured
    found = tuple(f"{name}: {data}" for name, data in objects.items())
    if form not in objects:
        near = tuple(f"the form is called {name}" for name in objects if name.casefold() == form.casefold())
        return Unmet(f"expected {form} to be captured; it was not", found or ("nothing was captured",), near)
    value = parsed(objects[form])
    if fields and not isinstance(value, dict):
        return missing(f"what {form} holds", "no words of the call are kept", found)
    wrong = differences(value, fields) if fields else []
    return Unmet(f"expected another {form}; {'; '.join(wrong)}", found) if wrong else None


# --- People, keys, texts --------------------------------------------------------------------------------


def transferred(call: CallData, to: str | None, outcome: str) -> Unmet | None:
    """The caller was put through to a destination, and this became of it.

    Raises:
        ValueError: there is no such outcome.
    """
    _refuse_unknown(outcome, TransferOutcome)
    asked = [fact.transfer.name for fact in call.facts if isinstance(fact, TransferAsked)]
    over = [fact for fact in call.facts if isinstance(fact, TransferEnded)]
    if any(fact.outcome.value == outcome and to in {None, fact.name} for fact in over):
        return None
    found = [f"{name}: asked for" for name in asked] + [f"{one.name}: {one.outcome.value}" for one in over]
    line = f"expected a transfer{'' if to is None else f' to {to}'} that is {outcome}"
    if asked and not over:
        return missing(f"{line}; what became of it", "it did not end", found)
    return Unmet(f"{line}; there was none", tuple(found) or ("no transfer was asked for",))


def text_sent(call: CallData, template: str | None, outcome: str | None) -> Unmet | None:
    """A text message was sent, and Twilio took it.

    Raises:
        ValueError: there is no such outcome.
    """
    if outcome is not None:
        _refuse_unknown(outcome, TextOutcome)
    wanted = {"accepted", "delivered"} if outcome is None else {outcome}
    told = {fact.text_id: fact.outcome.value for fact in call.facts if isinstance(fact, TextTold)}
    asked = [fact for fact in call.facts if isinstance(fact, TextAsked)]
    if any(told.get(one.text_id) in wanted and template in {None, one.template} for one in asked):
        return None
    found = [f"{one.template or 'own words'}: {told.get(one.text_id, 'nothing known')}" for one in asked]
    of = "" if template is None else f" of the template {template}"
    line = f"expected a text{of} that is {' or '.join(sorted(wanted))}; there was none"
    return Unmet(line, tuple(found) or ("no text was asked for",))


def _refuse_unknown(outcome: str, kind: type[TransferOutcome | TextOutcome]) -> None:
    known = [one.value for one in kind]
    if outcome not in known:
        raise ValueError(f"there is no outcome {outcome!r}; it may be: {', '.join(known)}")


def keys(call: CallData, pressed: str) -> Unmet | None:
    """The agent got these keys of the caller's, in this order."""
    got = "".join(fact.keys for fact in call.facts if isinstance(fact, KeysPressed))
    if got == pressed:
        return None
    sent = "".join(stream.keys for stream in call.phone.streams)
    line = f"expected the agent to get the keys {pressed}; it got {got or 'none'}"
    return Unmet(line, (f"pressed: {sent or 'none'}",))


def keys_sent(call: CallData, keys: str) -> Unmet | None:
    """The agent sent the tones of these keys to the other end, as a telephone there takes them."""
    heard = "".join(stream.keys_heard for stream in call.phone.streams)
    if heard == keys:
        return None
    return Unmet(f"expected the agent to send the keys {keys}; a telephone heard {heard or 'none'}")


# --- Complaints -----------------------------------------------------------------------------------------


def no_complaints(
    call: CallData, except_: str | re.Pattern[str] | Iterable[str | re.Pattern[str]]
) -> Unmet | None:
    """Nobody has anything to complain about, but what is excepted by its kind or by a pattern of its text.

    Raises:
        ValueError: there is no complaint of that kind.
    """
    excepted = (except_,) if isinstance(except_, str | re.Pattern) else tuple(except_)
    for one in excepted:
        if isinstance(one, str) and one not in get_args(ComplaintKind):
            kinds = ", ".join(get_args(ComplaintKind))
            raise ValueError(f"except_={one!r}: write a pattern, or a kind of complaint: {kinds}")
    left = [one for one in call.complaints if not any(_is_excepted(one, by) for by in excepted)]
    if not left:
        return None
    return Unmet(f"expected no complaints; there {_are(len(left))}", tuple(map(_told, left)))


def _is_excepted(complaint: Complaint, by: str | re.Pattern[str]) -> bool:
    return by == complaint.kind if isinstance(by, str) else by.search(complaint.text) is not None


def _told(complaint: Complaint) -> str:
    when = "" if complaint.at_ms is None else f"{complaint.at_ms / 1000:.2f} s: "
    return f"{when}{complaint.kind}: {complaint.text}"


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"
