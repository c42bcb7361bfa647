"""Short names for what the peers say and what the machine answers, so that a script reads like a protocol."""

from __future__ import annotations

import msgspec

from callbridge.call import actions as a
from callbridge.call import codes, endings, facts, wants
from callbridge.call import events as e
from callbridge.call.limits import Limits
from callbridge.call.memory import Entry
from callbridge.call.phases import Phase
from callbridge.call.plan import CallPlan
from callbridge.call.sessions import why_told
from callbridge.call.wishes import HangUp
from callbridge.wire import audio as mulaw
from callbridge.wire import media_streams as ms
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt
from playbook import Like, Playbook
from rigs import BEGINS_AT_S, CLIP_MS, PLAN, PLAYED, AudioToModel, AudioToPhone, Input, Rig

PATIENT = Limits(media_gap_warning_s=5000, media_gap_timeout_s=5000, caller_silence_s=0)
"""For calls in which the phone's silence, and the caller's, is not the matter."""

# What the core says and knows by these names.
RENEWED, BROKE_OFF = why_told.RENEWED, why_told.BROKE_OFF
CONTINUED, CONTINUED_BLINDLY = why_told.CONTINUED, why_told.CONTINUED_BLINDLY
SAY_IT_ENDS, SAY_IT_ENDS_SOON = endings.SAY_IT_ENDS, endings.SAY_IT_ENDS_SOON
ASK_WHETHER_THERE, SAY_NOBODY_IS_THERE = endings.ASK_WHETHER_THERE, endings.SAY_NOBODY_IS_THERE
CALL_GOES_ON = endings.CALL_GOES_ON
FATAL_CODES, HARMLESS_CODES = codes.FATAL_CODES, codes.HARMLESS_CODES
UNKNOWN_MODEL_CODES = codes.UNKNOWN_MODEL_CODES
CLOSE_CODES, PROTOCOL_CODES, SERVER_STOPS = codes.CLOSE_CODES, codes.PROTOCOL_CODES, codes.SERVER_STOPS

CALL_SID = "CA1"
STREAM_SID = "MZ1"


def start(
    call_sid: str = CALL_SID, *, stream_sid: str = STREAM_SID, encoding: str = "audio/x-mulaw"
) -> ms.Start:
    """The stream begins."""
    media_format = ms.MediaFormat(encoding, 8000, 1)
    facts = ms.StartFacts(stream_sid, "AC1", call_sid, media_format, {"token": "good"})
    return ms.Start(facts)


def admitted(
    caller: str = "",
    called: str = "",
    is_continued: bool = False,  # As the event has it.
    memory: tuple[Entry, ...] = (),
    age_s: float = 0.0,
    is_spend_over: bool = False,
) -> e.StreamAdmitted:
    """The stream's token was good. The plan is the rig's."""
    return e.StreamAdmitted(PLAN, caller, called, is_continued, memory, age_s, is_spend_over)


def frame(duration_ms: int = 20) -> ms.Media:
    """Caller audio."""
    return ms.Media(ms.MediaChunk(mulaw.silence(duration_ms)))


def echo(name: str) -> ms.MarkEchoed:
    """A mark came back."""
    return ms.MarkEchoed(ms.MarkName(name))


def key(digit: str) -> ms.Dtmf:
    """The caller pressed a key."""
    return ms.Dtmf(ms.Key(digit))


HANGS_UP = ms.Stopped()


def _session(audio_format: rt.AudioFormat | None) -> rt.EchoedSession:
    audio = rt.EchoedAudio(rt.EchoedInput(audio_format), rt.EchoedOutput(audio_format))
    return rt.EchoedSession(audio)


SESSION_CREATED = rt.SessionCreated()
SESSION_UPDATED = rt.SessionUpdated(_session(rt.MULAW))


def session_updated(instructions: object) -> rt.SessionUpdated:
    """The server took an update, and shows what the model is told."""
    shown = msgspec.structs.replace(SESSION_UPDATED.session, instructions=instructions)
    return rt.SessionUpdated(shown)


SESSION_UPDATED_WRONG = rt.SessionUpdated(_session(rt.AudioFormat("audio/pcm")))


def speech_started(item_id: str = "user_1", audio_start_ms: int = 0) -> rt.SpeechStarted:
    """The caller speaks."""
    return rt.SpeechStarted(item_id, audio_start_ms)


def speech_stopped(item_id: str = "user_1", audio_end_ms: int | None = 0) -> rt.SpeechStopped:
    """The caller's turn ended."""
    return rt.SpeechStopped(item_id, audio_end_ms)


def committed(item_id: str = "user_1") -> rt.InputCommitted:
    """The caller's turn has an item."""
    return rt.InputCommitted(item_id)


def caller_said(words: str, item_id: str = "user_1") -> rt.CallerTranscript:
    """The caller's words."""
    return rt.CallerTranscript(item_id, words)


def item_added(item_id: str, by: type[rt.ItemKnown] = rt.ItemAdded) -> rt.ItemKnown:
    """An item of ours is in the conversation, says one of the three events that say so."""
    return by(rt.Item(item_id))


def created(response_id: str, ask_id: str | None = None) -> rt.ResponseCreated:
    """A response begins. `ask_id`: which ask of ours it names, if it names any."""
    metadata = None if ask_id is None else {commands.ASK_ID: ask_id}
    return rt.ResponseCreated(rt.Response(response_id, "in_progress", metadata=metadata))


def item(response_id: str, item_id: str, kind: str = "message") -> rt.OutputItemAdded:
    """A response begins an item."""
    return rt.OutputItemAdded(response_id, rt.Item(item_id, kind))


def audio(response_id: str, item_id: str, duration_ms: int, *, part: int = 0) -> rt.AudioDelta:
    """Agent audio. `part`: its place among the contents of the item."""
    return rt.AudioDelta(response_id, item_id, mulaw.silence(duration_ms), part)


def says(response_id: str, item_id: str, duration_ms: int) -> tuple[Input, Input]:
    """A response begins an item and sends its audio."""
    return item(response_id, item_id), audio(response_id, item_id, duration_ms)


def answers(response_id: str, item_id: str, duration_ms: int) -> tuple[Input, ...]:
    """A whole response of one item."""
    return created(response_id), *says(response_id, item_id, duration_ms), done(response_id)


def takes_leave(duration_ms: int) -> tuple[Input, ...]:
    """In response `answer` the agent says goodbye and calls `end_call`, which is done at once."""
    leave = tool_call("answer", "end"), tool_finished("end", ends_call=True)
    return (*says("answer", "bye", duration_ms), *leave)


def audio_done(response_id: str, item_id: str) -> rt.AudioDone:
    """An item's audio is whole."""
    return rt.AudioDone(response_id, item_id)


def words(response_id: str, item_id: str, text: str) -> rt.AgentTranscript:
    """What the agent says in an item."""
    return rt.AgentTranscript(item_id, text)


def tool_call(
    response_id: str, call_id: str, name: str = "look_up", *, arguments: str = "{}", status: str = "completed"
) -> rt.OutputItemDone:
    """The model asks for a tool."""
    call = rt.Item(f"item_{call_id}", "function_call", status, name, call_id, arguments)
    return rt.OutputItemDone(call, response_id)


def done(
    response_id: str,
    status: str | None = "completed",
    *,
    code: str | None = None,
    reason: str | None = None,
    message: str | None = None,
    usage: rt.Usage | None = None,
) -> rt.ResponseDone:
    """A response is over."""
    details = None
    if code or reason:
        failure = rt.FailureDetail(code, message) if code else None
        details = rt.StatusDetails(reason, failure)
    return rt.ResponseDone(rt.Response(response_id, status, details, usage=usage))


def error(
    code: str | None, *, answers: str | None = None, message: str = "It went wrong.", param: str | None = None
) -> rt.ErrorEvent:
    """An error. `answers` is the `event_id` of the command that it is about."""
    return rt.ErrorEvent(rt.ErrorDetail("invalid_request_error", code, message, param, answers))


def tool_finished(
    call_id: str,
    output: str = "yes",
    *,
    name: str = "look_up",
    ends_call: bool = False,
    is_ours: bool = False,
) -> e.ToolFinished:
    """A tool answered."""
    return e.ToolFinished(call_id, name, output, 5, HangUp() if ends_call else None, is_ours=is_ours)


def gone(leg: e.Leg, code: int = 1006) -> e.LegGone:
    """A socket closed."""
    return e.LegGone(leg, code)


def spare(event: rt.Parsed) -> e.SpareSaid:
    """The second session says something."""
    return e.SpareSaid(event)


SPARE_CONNECTED = e.ModelConnected(e.Leg.SPARE)


def clear() -> a.SendToPhone:
    """Throw away what the phone has not played."""
    return a.SendToPhone(ms.Clear(STREAM_SID))


def mark(name: str) -> a.SendToPhone:
    """Ask the phone to tell when it has played so far."""
    return a.SendToPhone(ms.SendMark(STREAM_SID, ms.MarkName(name)))


def truncate(
    item_id: str,
    heard_ms: int,
    *,
    id: str | None = None,  # noqa: A002  # As the wire calls it.
    part: int = 0,
) -> a.SendToModel:
    """Make the model forget what was not heard."""
    command = commands.TruncateItem(event_id=id, item_id=item_id, audio_end_ms=heard_ms, content_index=part)
    return a.SendToModel(command)


def delete(item_id: str) -> a.SendToModel:
    """Make the model forget an item."""
    return a.SendToModel(commands.DeleteItem(item_id=item_id))


def cancel(response_id: str) -> a.SendToModel:
    """Stop a response."""
    return a.SendToModel(commands.CancelResponse(response_id=response_id))


def ask(
    *,
    id: str | None = None,  # noqa: A002  # As the wire calls it.
    options: commands.ResponseOptions | None = None,
) -> a.SendToModel:
    """Ask the model to speak."""
    return a.SendToModel(commands.CreateResponse(event_id=id, response=options or commands.ResponseOptions()))


def ask_farewell(*, id: str | None = None) -> a.SendToModel:  # noqa: A002  # As the wire calls it.
    """Ask the model for its last words."""
    return ask(id=id, options=commands.ResponseOptions(tool_choice="none"))


def ask_words(words: str, *, id: str | None = None) -> a.SendToModel:  # noqa: A002  # As the wire calls it.
    """Tell the model what to say."""
    return ask(id=id, options=commands.ResponseOptions(instructions=words, tool_choice="none"))


def update(
    session: commands.Session = PLAN.session,
    *,
    id: str | None = None,  # noqa: A002  # As the wire calls it.
    leg: e.Leg = e.Leg.MODEL,
) -> a.SendToModel:
    """Tell the model what the session is to be."""
    return a.SendToModel(commands.UpdateSession(event_id=id, session=session), leg)


def update_silent(*, leg: e.Leg = e.Leg.MODEL) -> a.SendToModel:
    """Tell the model what the session is to be, but that it answers nobody yet."""
    return update(PLAN.silent_session, leg=leg)


def tool_output(
    item_id: str, call_id: str, output: str = "yes", *, leg: e.Leg = e.Leg.MODEL
) -> a.SendToModel:
    """Tell the model what a tool answered."""
    result = commands.FunctionCallOutput(item_id, call_id, output)
    return a.SendToModel(commands.CreateItem(item=result), leg)


def tool_result(item_id: str, call_id: str, output: str = "yes") -> tuple[object, ...]:
    """A tool's answer is kept, counted and told to the model that asked for it."""
    return (recorded(facts.Remembered), recorded(facts.ToolUsed), tool_output(item_id, call_id, output))


def foreign_call(
    item_id: str, call_id: str, *, name: str = "look_up", arguments: str = "{}", leg: e.Leg = e.Leg.MODEL
) -> a.SendToModel:
    """Tell the model of a call that it made in an earlier session."""
    call = commands.FunctionCall(item_id, call_id, name, arguments)
    return a.SendToModel(commands.CreateItem(item=call), leg)


def told(item_id: str, text: str, *, role: str = "user", leg: e.Leg = e.Leg.MODEL) -> a.SendToModel:
    """Tell the model something in the name of the caller, of the system, or of the model itself."""
    content = commands.OutputText(text) if role == "assistant" else commands.InputText(text)
    message = commands.Message(item_id, role, (content,))  # type: ignore[arg-type]  # One of the three.
    return a.SendToModel(commands.CreateItem(item=message), leg)


def run_tool(call_id: str, name: str = "look_up", arguments: str = "{}") -> a.RunTool:
    """Run a tool."""
    return a.RunTool(call_id, name, arguments, 8.0)


def recorded(kind: type, **fields: object) -> a.Note:
    """A fact of which only `fields` matter."""
    return a.Note(Like(kind, fields))  # type: ignore[arg-type]  # Stands for a fact in a playbook.


def note(event: str, **fields: str | float | bool | None) -> a.Note:
    """A note for the log."""
    return a.Note(facts.noted(event, **fields))


def warning(event: str, **fields: str | float | bool | None) -> a.Note:
    """A warning for the log."""
    return a.Note(facts.warned(event, **fields))


def any_warning(event: str) -> a.Note:
    """A warning whose fields do not matter."""
    return recorded(facts.Noted, event=event, is_warning=True)


def clip() -> tuple[object, ...]:
    """The caller hears the clip."""
    return (recorded(facts.ClipPlayed), a.PlayClip(), AudioToPhone(CLIP_MS))


def trouble(doing: object = "call", **fields: object) -> a.Note:
    """A session could not be had, or is lost."""
    return recorded(facts.ModelTrouble, doing=doing, **fields)


def dials(model: str = PLAN.model) -> a.DialModel:
    """Open a model leg."""
    return a.DialModel(model)


def drops(leg: e.Leg = e.Leg.MODEL) -> a.DropModel:
    """Close a model leg in the middle of the call."""
    return a.DropModel(leg)


def replaces(**fields: object) -> tuple[object, ...]:
    """The session is lost in mid-call, and another one dialled."""
    return (trouble(**fields), drops(), dials())


def has_replaced(cause: str = "lost", **fields: object) -> a.Note:
    """The call goes on with another session."""
    return recorded(facts.SessionReplaced, cause=cause, **fields)


def ends(reason: facts.EndReason, **fields: object) -> tuple[object, ...]:
    """Both legs are closed and the end is recorded."""
    return (
        Like(a.CloseLeg, {"leg": e.Leg.MODEL, "code": 1000}),
        Like(a.CloseLeg, {"leg": e.Leg.PHONE}),
        recorded(facts.StreamEnded, reason=reason, **fields),
    )


def parks(**fields: object) -> tuple[object, ...]:
    """The phone is lost: the session is left for the stream that may follow."""
    return (Like(a.ParkModel, {}), *ends_without_model(facts.EndReason.MEDIA_LOST, **fields))


def ends_without_model(reason: facts.EndReason, **fields: object) -> tuple[object, ...]:
    """The end of a call whose model leg is not open, or is gone."""
    return ends(reason, **fields)[1:]


def lingers(reason: facts.EndReason, **fields: object) -> tuple[object, ...]:
    """The end of a call whose model leg stays for the caller's last words."""
    return ends_without_model(reason, **fields)


def live(plan: CallPlan = PLAN, limits: Limits | None = None, *, has_line: bool = True) -> Playbook:
    """A call at 1 s: the session is confirmed, the greeting was asked for as `cb_2`."""
    rig = Rig(plan, limits, has_line=has_line)
    rig.feed(start(), admitted("+15550100001", "+15550100002"), e.ModelConnected())
    rig.now += 1
    rig.feed(SESSION_CREATED, SESSION_UPDATED)
    assert rig.phase is Phase.LIVE
    return Playbook(rig)


def greeted(plan: CallPlan = PLAN, limits: Limits | None = None, *, has_line: bool = True) -> Playbook:
    """A call at 3 s in which the greeting (1 s, item `hello`) was said and heard. Nobody speaks.

    The phone is 50 ms away, there and back.
    """
    book = live(plan, limits, has_line=has_line)
    rig = book.rig
    rig.feed(
        created("greeting"),
        item("greeting", "hello"),
        audio("greeting", "hello", 1000),
        words("greeting", "hello", "Hello."),
        done("greeting"),
    )
    rig.now += 1.05
    rig.feed(PLAYED)
    assert rig.has_played_all
    rig.now = BEGINS_AT_S + 3
    return book


def retelling(book: Playbook) -> Playbook:
    """The session is lost now; the next one is open, configured to be silent and told what was said."""
    rig = book.rig
    rig.feed(gone(e.Leg.MODEL), e.ModelConnected(), SESSION_CREATED, SESSION_UPDATED)
    assert rig.phase is Phase.CONFIGURING
    return book


def replaced(book: Playbook) -> Playbook:
    """The session is lost now, and another one stands."""
    retelling(book).rig.feed(SESSION_UPDATED)
    assert book.rig.phase is Phase.LIVE
    return book


def answering(book: Playbook, response_id: str = "answer") -> Playbook:
    """The caller asked something, and the server's response to it begins, 1 s later."""
    rig = book.rig
    rig.feed(speech_started("question"))
    rig.now += 1
    rig.feed(speech_stopped("question"), committed("question"), created(response_id))
    return book


def rests(book: Playbook) -> bool:
    """Whether nothing goes on and nothing is owed: only then a hand-over ends a call at once. Ends it."""
    if not book.rig.has_played_all:
        book.rig.feed(PLAYED)
    book.rig.feed(e.HandOverRequested())
    return book.rig.phase is Phase.OVER


def hears(book: Playbook) -> bool:
    """Whether a session gets what the caller says now."""
    return AudioToModel(20) in book.rig.feed(frame())


def ended(book: Playbook) -> facts.StreamEnded:
    """The record of the call, which ends now if it has not."""
    (*_, last) = book.rig.feed(HANGS_UP)
    assert isinstance(last, a.Note)
    assert isinstance(last.fact, facts.StreamEnded)
    return last.fact


# --- What the agent's own code wants --------------------------------------------------------------------


def agent_says(
    words: str = "One moment.", say_id: str = "say_1", *, until_tool: str = "", is_answer: bool = False
) -> wants.AgentSays:
    """It wants exactly these words said."""
    return wants.AgentSays(say_id, words, until_tool, is_answer)


def ask_saying(words: str = "One moment.") -> a.SendToModel:
    """The model is asked for exactly these words."""
    return ask_words(f"Say exactly this to the caller and nothing else: {words}")


def said(percent: int, say_id: str = "say_1") -> a.Note:
    """So much of the words was heard."""
    return recorded(facts.Said, say_id=say_id, heard_percent=percent)


def session_wanted(instructions: str = "Take orders.", amendment_id: str = "a_1") -> wants.SessionWanted:
    """It wants other instructions, and no tools."""
    return wants.SessionWanted(amendment_id, instructions, ())


def update_wanted(instructions: str = "Take orders.", plan: CallPlan = PLAN) -> a.SendToModel:
    """The model is told so, in a whole session."""
    return update(plan.with_agent(instructions, ()).session)


def amended(*, is_confirmed: bool = True, amendment_id: str = "a_1") -> a.Note:
    """The session is what was wanted, or is not."""
    return recorded(facts.SessionAmended, amendment_id=amendment_id, is_confirmed=is_confirmed)
