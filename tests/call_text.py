"""Calls as text: one line for each event with its time, and below it what the machine did.

    4.50  model: speech_started wait
              > phone: clear
              > model: conversation.item.truncate answer_1 at 500 ms

`>` is something sent or asked for, `.` a fact for the record or the log, `=` the phase that the call is in
from here on, `@` a deadline that passed during a `wait`. Marks are left out, and looks at the line. Comments
and empty lines stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias, assert_never

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call import events as e
from callbridge.call import facts
from callbridge.call.bill_facts import Billed
from callbridge.call.memory import Told, ToolAnswered, ToolStarted, TurnSaid
from callbridge.call.outcomes import TransferOutcome
from callbridge.call.telephone_facts import TransferAsked, TransferEnded
from callbridge.call.wishes import Transfer
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt
from rigs import BEGINS_AT_S, PLAYED, AllPlayed, AudioToModel, AudioToPhone, Input, Output, Rig

Match: TypeAlias = re.Match[str]

_EVENTS: Final[dict[str, Callable[[Match], Input]]] = {
    r"phone: connected": lambda _: ms.Connected(),
    r"phone: start(?: (\S+))?": lambda found: v.start(found[1]) if found[1] else v.start(),
    r"phone: audio (\d+) ms": lambda found: v.frame(int(found[1])),
    r"phone: echo (\S+)": lambda found: v.echo(found[1]),
    r"phone: has played all": lambda _: PLAYED,
    r"phone: has played item (\S+)": lambda found: AllPlayed(found[1]),
    r"phone: key (\S)": lambda found: v.key(found[1]),
    r"phone: hangs up": lambda _: v.HANGS_UP,
    r"phone: closes (\d+)": lambda found: v.gone(e.Leg.PHONE, int(found[1])),
    r'phone: garbage "(.*)"': lambda found: e.BadMessage(e.Leg.PHONE, found[1]),
    r'phone: stops reading "(.*)"': lambda found: e.LegStalled(e.Leg.PHONE, found[1]),
    r"model: session\.created": lambda _: v.SESSION_CREATED,
    r"model: session\.updated": lambda _: v.SESSION_UPDATED,
    r"model: session\.updated with pcm": lambda _: v.SESSION_UPDATED_WRONG,
    r"model: speech_started (\S+)": lambda found: v.speech_started(found[1]),
    r"model: speech_stopped (\S+)": lambda found: v.speech_stopped(found[1]),
    r"model: committed (\S+)": lambda found: v.committed(found[1]),
    r'model: heard (\S+) "(.*)"': lambda found: v.caller_said(found[2], found[1]),
    r"model: could not hear (\S+)": lambda found: rt.CallerTranscriptFailed(found[1]),
    r"model: item added (\S+)": lambda found: v.item_added(found[1]),
    r"model: response\.created (\S+)": lambda found: v.created(found[1]),
    r"model: item (\S+) (\S+)": lambda found: v.item(found[1], found[2]),
    r"model: audio (\S+) (\S+) (\d+) ms": lambda found: v.audio(found[1], found[2], int(found[3])),
    r"model: audio done (\S+) (\S+)": lambda found: v.audio_done(found[1], found[2]),
    r'model: says (\S+) (\S+) "(.*)"': lambda found: v.words(found[1], found[2], found[3]),
    r"model: calls (\S+) (\S+) (\w+)\((.*)\)": lambda found: v.tool_call(
        found[1], found[2], found[3], arguments=found[4]
    ),
    r"model: response\.done (\S+) (\w+)(?: (\w+))?": lambda found: v.done(found[1], found[2], code=found[3]),
    r'model: error (\w+)(?: "(.*)")?(?: for (\w+))?': lambda found: v.error(
        found[1], message=found[2] or "", answers=found[3]
    ),
    r'model: text (\S+) (\S+) "(.*)"': lambda found: rt.AnswerDelta(item_id=found[2], delta=found[3]),
    r"model: closes (\d+)": lambda found: v.gone(e.Leg.MODEL, int(found[1])),
    r"us: admitted from (\S+) to (\S+)": lambda found: v.admitted(found[1], found[2]),
    r"us: admitted again after (\d+) s, remembering (.*)": lambda found: _admitted_again(found[1], found[2]),
    r'us: refused "(.*)"': lambda found: e.StreamRefused(found[1]),
    r"us: model connected": lambda _: e.ModelConnected(),
    r"us: model connected, warm": lambda _: e.ModelConnected(is_warm=True),
    r"us: spare connected": lambda _: v.SPARE_CONNECTED,
    r'us: (spare )?dial failed(?: with (\d+))?(?: (\w+))?(?:, retry after (\d+) s)? "(.*)"': lambda found: (
        e.ModelDialFailed(
            found[5],
            int(found[2]) if found[2] else None,
            found[3],
            float(found[4]) if found[4] else None,
            e.Leg.SPARE if found[1] else e.Leg.MODEL,
        )
    ),
    r"us: the answer runs away": lambda _: e.AnswerRanAway(),
    r'us: tool (\S+) answers "(.*)"': lambda found: v.tool_finished(found[1], found[2]),
    r'us: tool (\S+) ends the call "(.*)"': lambda found: v.tool_finished(
        found[1], found[2], name="end_call", ends_call=True
    ),
    r'us: tool (\S+) puts through to (\w+) "(.*)"': lambda found: e.ToolFinished(
        found[1], "transfer", found[3], 5, Transfer(found[2], "+15550100042", is_asked=True, is_warm=True)
    ),
    r"us: transfer (\S+) is (\w+)": lambda found: e.TransferTold(found[1], TransferOutcome(found[2])),
    r"us: shut down": lambda _: e.ShutdownRequested(),
    r"us: spend ran over": lambda _: e.SpendRanOver(),
    r"us: an operator ends it": lambda _: e.EndAsked(),
    r"us: hand over": lambda _: e.HandOverRequested(),
    r"spare: closes (\d+)": lambda found: v.gone(e.Leg.SPARE, int(found[1])),
    r"spare: (.*)": lambda found: _spare_said(found[1]),
}
"""What a line may say after its time. `us: wait` is time alone."""


def _admitted_again(age_s: str, memory: str) -> e.StreamAdmitted:
    """The next stream of a call. `memory`: `"caller" / "agent"` for each turn, or `nothing`."""
    turns = re.findall(r'"(.*?)" / "(.*?)"', memory)
    entries = tuple(
        TurnSaid(number, caller or None, agent) for number, (caller, agent) in enumerate(turns, 1)
    )
    return v.admitted("+15550100001", "+15550100002", is_continued=True, memory=entries, age_s=float(age_s))


def _spare_said(text: str) -> e.SpareSaid:
    event = read_event(f"model: {text}")
    assert isinstance(event, rt.ServerEvent)
    return v.spare(event)


_LINE: Final = re.compile(r"(\d+\.\d+)  (.+)")
_INDENT: Final = " " * 10


def read_event(text: str) -> Input:
    """The event that a line names.

    Raises:
        ValueError: no line may say this.
    """
    for pattern, make in _EVENTS.items():
        if found := re.fullmatch(pattern, text):
            return make(found)
    raise ValueError(f"not an event: {text}")


def play(script: str, rig: Rig) -> str:
    """The script, with what the machine does now below each event. Answers of former times are left out."""
    lines: list[str] = []
    for line in script.splitlines():
        if line.startswith(_INDENT):
            continue
        lines.append(line)
        if found := _LINE.fullmatch(line):
            lines += [_INDENT + answer for answer in _play_line(float(found[1]), found[2], rig)]
        elif line and not line.startswith("#"):
            raise ValueError(f"neither event nor comment: {line}")
    return "\n".join(lines) + "\n"


def _play_line(seconds: float, text: str, rig: Rig) -> list[str]:
    if text == "us: wait":
        return _wait(seconds, rig)
    due = rig.due(BEGINS_AT_S + seconds)
    assert due is None or due[0] >= BEGINS_AT_S + seconds, f"{due} passes before `{text}`: add `us: wait`"
    rig.now = BEGINS_AT_S + seconds
    return _feed(read_event(text), rig)


def _wait(seconds: float, rig: Rig) -> list[str]:
    answers: list[str] = []
    end = BEGINS_AT_S + seconds
    while (due := rig.due(end)) is not None and due[0] <= end:
        rig.now = due[0]
        answers += [f"@ {rig.seconds:.2f} {due[1].value}", *_feed(e.DeadlinePassed(), rig)]
    rig.now = end
    return answers


def _feed(event: Input, rig: Rig) -> list[str]:
    before = rig.phase
    answers = [describe(output) for output in rig.feed(event) if not _is_mark(output)]
    after = rig.phase
    return answers if after is before else [*answers, f"= {after.value}"]


def _is_mark(output: Output) -> bool:
    return isinstance(output, a.SendToPhone) and isinstance(output.message, ms.SendMark)


def describe(output: Output) -> str:
    """One output on one line."""
    match output:
        case AudioToPhone() | AudioToModel() | a.SendToPhone() | a.SendToModel():
            return f"> {_sent(output)}"
        case a.AdmitStream(start_facts):
            return f"> check the token of {start_facts.call_sid}"
        case a.DialModel() | a.DropModel() | a.SwitchModel() | a.ParkModel():
            return f"> {_change_of_legs(output)}"
        case a.PlayClip():
            return "> play the clip"
        case a.PlaySound(sound):
            return f"> play the sound {sound.value}"
        case a.PlayKeys(keys):
            return f"> press {keys}"
        case a.OpenUplink():
            return "> send the audio that was held"
        case a.RunTool(call_id, name, arguments):
            return f"> run {name}({arguments}) for {call_id}"
        case a.CloseLeg(leg, code, reason):
            return f"> {leg.value}: close {code} {reason}".rstrip()
        case a.Note(fact):
            return f". {_fact(fact)}"
        case _:
            raise AssertionError(f"the rig shows no {output}")


def _sent(output: AudioToPhone | AudioToModel | a.SendToPhone | a.SendToModel) -> str:
    match output:
        case AudioToPhone(duration_ms):
            return f"phone: audio {duration_ms} ms"
        case AudioToModel(duration_ms):
            return f"model: audio {duration_ms} ms"
        case a.SendToPhone():
            return "phone: clear"
        case a.SendToModel(command, leg):
            return f"{leg.value}: {_command(command)}"
        case _:
            assert_never(output)


def _change_of_legs(action: a.DialModel | a.DropModel | a.SwitchModel | a.ParkModel) -> str:
    match action:
        case a.DialModel(model, leg):
            return f"dial {model}" + (" as the spare" if leg is e.Leg.SPARE else "")
        case a.DropModel(leg):
            return f"drop the {leg.value} leg"
        case a.SwitchModel():
            return "the spare becomes the model leg"
        case a.ParkModel():
            return "leave the model leg for the next stream"
        case _:
            assert_never(action)


def _command(command: commands.AnyCommand) -> str:
    match command:
        case commands.UpdateSession(session=session):
            model = session.audio.input.transcription
            detection = session.audio.input.turn_detection
            answers = "" if detection.create_response else ", answers nobody"
            answers += "" if detection.interrupt_response else ", interrupts nobody"
            return f"session.update, transcription {'off' if model is None else model.model}{answers}"
        case commands.CreateItem(item=ours):
            return f"conversation.item.create {ours.id}: {_item(ours)}"
        case commands.TruncateItem(item_id=item_id, audio_end_ms=audio_end_ms):
            return f"conversation.item.truncate {item_id} at {audio_end_ms} ms"
        case commands.DeleteItem(item_id=item_id):
            return f"conversation.item.delete {item_id}"
        case commands.CreateResponse(event_id=event_id, response=options):
            return f"response.create {event_id}{_options(options)}"
        case commands.CancelResponse(response_id=response_id):
            return f"response.cancel {response_id}"
        case commands.CommitInput():
            return "input_audio_buffer.commit"
        case commands.AppendAudio():
            raise AssertionError("audio goes past the machine")
        case _:
            assert_never(command)


def _item(ours: commands.AnyItem) -> str:
    match ours:
        case commands.Message(role=role, content=content):
            return f'{role} "{content[0].text}"'
        case commands.FunctionCall(call_id=call_id, name=name, arguments=arguments):
            return f"call {call_id} {name}({arguments})"
        case commands.FunctionCallOutput(call_id=call_id, output=output):
            return f'output of {call_id} "{output}"'
        case commands.McpApproval(approval_request_id=request_id, approve=approve):
            return f"{'approves' if approve else 'refuses'} {request_id}"
        case _:
            assert_never(ours)


def _options(options: commands.ResponseOptions | None) -> str:
    if options is None:
        return ""
    said = f', told "{options.instructions}"' if options.instructions else ""
    return said + (f", tools {options.tool_choice}" if options.tool_choice else "")


def _fact(fact: facts.Fact) -> str:
    match fact:
        case facts.StreamStarted(caller, called, is_continued, call_sid=call_sid):
            return f"call {call_sid} from {caller} to {called}" + (", continued" if is_continued else "")
        case facts.AgentReady(model, after_ms, held_ms, has_transcription):
            without = "" if has_transcription else ", without transcription"
            return f"{model} ready after {after_ms} ms, {held_ms} ms of audio held{without}"
        case facts.ModelTrouble() | facts.SessionReplaced() | facts.ClipPlayed():
            return _trouble(fact)
        case facts.Interrupted():
            return _cut(fact)
        case facts.Remembered(entry):
            return f"remembered: {_entry(entry)}"
        case facts.ToolUsed(name):
            return f"tool {name} was used"
        case (
            facts.ItemHeard() | facts.CallerSpoke() | facts.KeysPressed() | TransferAsked() | TransferEnded()
        ):
            return _for_the_agent(fact)
        case facts.TurnEnded() | facts.CallerWordsCame():
            return _turn(fact)
        case facts.StreamEnded():
            return _end(fact)
        case facts.Noted(event, fields, is_warning):
            shown = "".join(f" {name}={value}" for name, value in fields)
            return f"{'warning' if is_warning else 'note'}: {event}{shown}"
        case Billed(usage, cost_microdollars):
            return f"billed: {cost_microdollars} microdollars, {usage.output_tokens} tokens out so far"
        case _:
            raise AssertionError(f"not a fact of the machine: {fact}")


def _turn(fact: facts.TurnEnded | facts.CallerWordsCame) -> str:
    match fact:
        case facts.TurnEnded(number, caller, agent, response_ms, interrupted):
            after = "" if response_ms is None else f", answered after {response_ms} ms"
            cut = ", interrupted" if interrupted else ""
            return f'turn {number}: caller "{caller or ""}", agent "{agent}"{after}{cut}'
        case facts.CallerWordsCame(number, caller):
            return f'turn {number}: the caller had said "{caller}"'
        case _:
            assert_never(fact)


def _cut(fact: facts.Interrupted) -> str:
    cuts = [*(f"{item_id} at {heard_ms} ms" for item_id, heard_ms in fact.truncated), *fact.deleted]
    return f"interrupted: {', '.join(cuts)}; {fact.unheard_ms} ms unheard"


def _entry(entry: ToolStarted | ToolAnswered | Told) -> str:
    if isinstance(entry, Told):
        return f'"{entry.text}"'
    return f"{entry.name} {'begins' if isinstance(entry, ToolStarted) else 'has answered'}"


def _for_the_agent(
    fact: facts.ItemHeard | facts.CallerSpoke | facts.KeysPressed | TransferAsked | TransferEnded,
) -> str:
    match fact:
        case facts.ItemHeard(item_id):
            return f"{item_id} was heard"
        case facts.CallerSpoke(turn, loud_ms):
            return f"the caller has spoken in turn {turn}, {loud_ms} ms of it loud"
        case facts.KeysPressed(keys, turn):
            return f"the keys {keys} in turn {turn}"
        case TransferAsked(transfer_id, transfer, is_held):
            return f"transfer {transfer_id} to {transfer.name}{', on hold' if is_held else ''}"
        case TransferEnded(transfer_id, name, outcome, waited_ms):
            return f"transfer {transfer_id} to {name}: {outcome.value} after {waited_ms} ms"
        case _:
            assert_never(fact)


def _trouble(fact: facts.ModelTrouble | facts.SessionReplaced | facts.ClipPlayed) -> str:
    match fact:
        case facts.ModelTrouble(doing, why, _, _, is_fatal, is_rate_limit):
            kind = (", fatal" if is_fatal else "") + (", a rate limit" if is_rate_limit else "")
            return f"trouble in {doing}: {why}{kind}"
        case facts.SessionReplaced(cause, after_ms, items):
            return f"session replaced ({cause}) after {after_ms} ms, told {items} items"
        case facts.ClipPlayed(why):
            return f"clip: the caller waits for {why}"
        case _:
            assert_never(fact)


def _end(ended: facts.StreamEnded) -> str:
    detail = f" ({ended.detail})" if ended.detail else ""
    counts = f"{ended.turns} turns, {ended.interruptions} interruptions, {ended.tools_used} tools used"
    return f"call ended: {ended.reason.value}{detail}, {ended.duration_ms} ms, {counts}"
