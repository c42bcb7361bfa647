"""What happened beside the turns, each in a few words for people.

A fact that is told elsewhere in a story (turns, tools, streams, the bill) has no title here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callbridge.call import agent_facts as of_agent
from callbridge.call import facts
from callbridge.call import recording_facts as of_recording
from callbridge.call import telephone_facts as of_telephone
from callbridge.call.rating import CallerWordsRated
from callbridge.call.record_facts import CallAnalysed, NotKept, ProcessLost
from callbridge.records.story import Happening

if TYPE_CHECKING:
    from callbridge.call.facts import Fact

_Told: TypeAlias = tuple[str, dict[str, Any]] | None
"""A title, and the fields that are worth reading."""


_TOLD_ELSEWHERE: Final = frozenset(
    {
        *(facts.TurnEnded, facts.CallerSpoke, facts.CallerWordsCame, facts.ItemHeard, facts.Interrupted),
        *(facts.Remembered, facts.ToolUsed, facts.Billed, facts.Said, CallerWordsRated),
    }
)
"""The most frequent kinds, which are never told here."""


def happening_of(at_ms: int, fact: Fact) -> Happening | None:
    """What is to be told of a fact, if anything."""
    if type(fact) in _TOLD_ELSEWHERE:
        return None
    told = _of_stream(fact) or _of_agent(fact) or _of_telephone(fact) or _of_webhook(fact)
    told = told or _of_recording(fact)
    if told is None:
        return None
    title, detail = told
    known = {name: value for name, value in detail.items() if value not in ("", None)}
    return Happening(at_ms, fact.kind, title, known)


def _of_stream(fact: Fact) -> _Told:
    match fact:
        case facts.StreamStarted(is_continued=True):
            return "The call goes on in another stream", {"agent": fact.agent}
        case facts.ModelTrouble(doing="call"):
            return "The session of the model was lost", _trouble(fact)
        case facts.ModelTrouble():
            return "The model could not be had", {"doing": fact.doing, **_trouble(fact)}
        case facts.SessionReplaced(cause="renewed"):
            return "The session was renewed before it would have expired", _replaced(fact)
        case facts.SessionReplaced():
            return "The call went on with another session", _replaced(fact)
        case facts.ClipPlayed():
            return "The caller was asked for a moment", {"waits_for": fact.why}
        case facts.KeysPressed(is_menu=True):
            return "The caller pressed a key of the menu", {"keys": fact.keys}
        case NotKept():
            return f"Not on disk in time: {fact.what}", {"waited_ms": fact.waited_ms}
        case ProcessLost():
            detail = {"stream_sid": fact.stream_sid, "process": fact.process}
            return "The process that carried the stream was gone", detail
        case CallAnalysed():
            return "A text model has looked at the call", {"model": fact.model}
        case facts.Noted(is_warning=True):
            return f"Warning: {fact.event.replace('_', ' ')}", dict(fact.fields)
        case _:
            return None


def _trouble(fact: facts.ModelTrouble) -> dict[str, Any]:
    return {"why": fact.why, "status": fact.status, "code": fact.code, "model": fact.model}


def _replaced(fact: facts.SessionReplaced) -> dict[str, Any]:
    return {"after_ms": fact.after_ms, "items": fact.items, "model": fact.model}


def _tripped(fact: facts.GuardrailTripped) -> _Told:
    became = "what the agent was saying was stopped" if fact.was_cut else "too late to stop anything"
    detail = {"heard_ms": fact.heard_ms, "heard_characters": fact.heard_characters}
    detail |= {"withheld_ms": fact.withheld_ms, "withheld_characters": fact.withheld_characters}
    return f"Guardrail {fact.guardrail}: {became}", detail


def _of_agent(fact: Fact) -> _Told:
    match fact:
        case of_agent.StepEntered():
            return f"Step {fact.step}", {"because": fact.because, "ends": fact.ends or None}
        case of_agent.AgentChanged() | of_agent.GuestChanged():
            return _changed(fact)
        case of_agent.AttemptFailed():
            return f"The tool {fact.tool} failed in step {fact.step}", {}
        case facts.GuardrailTripped():
            return _tripped(fact)
        case of_agent.FieldKept():
            is_confirmed = fact.is_confirmed
            title = f"{fact.form}: {fact.field} was {'confirmed' if is_confirmed else 'given'}"
            return title, {"value": fact.value}
        case of_agent.FieldRefused():
            return f"{fact.form}: {fact.field} was refused", {}
        case of_agent.Captured():
            return f"{fact.form} was captured", {"data": fact.data}
        case of_agent.CaptureDelivered():
            return f"{fact.form} was delivered: {fact.outcome}", {}
        case of_agent.CalledBefore() | of_agent.CallerTexted():
            return _from_before(fact)
        case of_agent.McpToolsChanged():
            return f"The MCP server {fact.server} has {fact.tools or 'no'} tools now", {}
        case _:
            return None


def _from_before(fact: of_agent.CalledBefore | of_agent.CallerTexted) -> _Told:
    match fact:
        case of_agent.CallerTexted():
            return "The caller had sent a text", {"words": fact.words}
        case of_agent.CalledBefore(goes_on=True):
            return "The caller was cut off before, and goes on", {"summary": fact.summary}
        case _:
            return "The caller has called before", {"summary": fact.summary}


def _changed(fact: of_agent.AgentChanged | of_agent.GuestChanged) -> _Told:
    match fact:
        case of_agent.AgentChanged():
            return f"The caller was handed over to {fact.agent}", {"was": fact.was, "because": fact.because}
        case of_agent.GuestChanged():
            return f"{fact.agent} speaks", {"because": fact.because or None}


def _of_telephone(fact: Fact) -> _Told:
    match fact:
        case of_telephone.TransferAsked(transfer=transfer):
            how = "while they are on hold" if fact.is_held else "as they wait"
            detail = {"transfer_id": fact.transfer_id, "reason": transfer.reason}
            return f"The caller is put through to {transfer.name}, {how}", detail
        case of_telephone.PersonRung():
            return "The person was rung", {"transfer_id": fact.transfer_id, "person_sid": fact.person_sid}
        case of_telephone.PersonAnswered():
            return "Somebody answered", {"transfer_id": fact.transfer_id}
        case of_telephone.PersonDecided():
            takes = "took" if fact.takes_it else "did not take"
            return f"They {takes} the call", {"transfer_id": fact.transfer_id}
        case of_telephone.CallerLedBack():
            return "The caller was led out of the empty room", {"transfer_id": fact.transfer_id}
        case of_telephone.TransferEnded():
            waited = {"transfer_id": fact.transfer_id, "waited_ms": fact.waited_ms, "detail": fact.detail}
            return f"Transfer to {fact.name}: {fact.outcome.value.replace('_', ' ')}", waited
        case of_telephone.TextAsked():
            return "A text is sent", {"text_id": fact.text_id, "template": fact.template}
        case of_telephone.TextTold():
            detail = {"text_id": fact.text_id, "message_sid": fact.message_sid, "code": fact.code}
            return f"Text: {fact.outcome.value.replace('_', ' ')}", detail
        case of_telephone.CarrierAlert():
            return f"Twilio's debugger: {fact.level} {fact.code}", {"text": fact.text}
        case _:
            return None


def _of_recording(fact: Fact) -> _Told:
    match fact:
        case of_recording.ConsentGiven(how):
            title = "The caller agreed to be recorded" if how == "asked" else "The caller was told: recorded"
            return title, {"announcement": fact.announcement}
        case of_recording.ConsentRefused():
            return "The caller refused to be recorded", {}
        case of_recording.RecordingBegan():
            return "The recording began", {"name": fact.name}
        case of_recording.RecordingPaused():
            return "The recording was paused", {"step": fact.step}
        case of_recording.RecordingResumed():
            return "The recording went on", {"step": fact.step}
        case of_recording.RecordingEnded():
            return f"The recording ended: {fact.reason}", {"name": fact.name}
        case of_recording.RecordingStored():
            sizes = {"duration_ms": fact.duration_ms, "bytes": fact.bytes, "format": fact.format}
            return "The recording was stored", {"name": fact.name, **sizes}
        case _:
            return None


def _of_webhook(fact: Fact) -> _Told:
    match fact:
        case facts.CallOffered(declined=declined) if declined:
            return f"The call was not taken: {declined.replace('_', ' ')}", {"agent": fact.agent}
        case facts.StreamAsked(follows="moved"):
            return "Somebody sent the call elsewhere", {}
        case facts.StreamAsked():
            ended = None if fact.ended is None else fact.ended.value
            title = f"What followed the stream: {fact.follows.replace('_', ' ')}"
            return title, {"ended": ended, "held": fact.held or None}
        case facts.StreamReported(error=error) if error:
            return "Twilio reported an error of the stream", {"status": fact.status, "error": error}
        case facts.CallReported():
            return f"Twilio: the call is {fact.status}", {"duration_s": fact.duration_s}
        case facts.MenuAnswered():
            return "The caller heard the menu of the fallback", {"keys": fact.keys}
        case facts.FallbackDialed():
            detail = {"status": fact.status, "bridged": fact.bridged}
            return f"A human was rung: {fact.status}", detail
        case facts.VoicemailLeft():
            detail = {"recording_sid": fact.recording_sid, "duration_s": fact.duration_s}
            return f"Voicemail: {fact.status or 'left'}", detail
        case _:
            return None
