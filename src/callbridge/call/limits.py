"""Every bound and timeout of a call, with its unit in its name and its reason beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What happens at each bound stands with the bound. Relations are checked when it is made."""

    start_timeout_s: float = 5.0
    """Socket accepted, no admitted `start`: refused. Twilio sends `start` with the first packet."""

    # A session of the model.

    dial_timeout_s: float = 6.0
    """Model dialled, no socket: tried again. The dialler itself gives up after 5 s; one that does not even
    say so is dropped a second later."""

    configure_timeout_s: float = 3.0
    """Socket open, `session.updated` not seen. Measured elsewhere: about 0.3 s after the socket."""

    refusal_timeout_s: float = 0.5
    """An error that does not say what it is of: so long is waited for the close that does, which a server
    sends with it. Then the session counts as refused, and there is time for a second try."""

    connect_timeout_s: float = 8.0
    """From the first dial to a session that is ready, all tries together; then the fallback plan. A dial that
    hangs for its 5 s, and at most 0.75 s before the next one, leave 2.25 s for that; one is usual."""

    dial_tries_max: int = 2
    """Tries for one session. A third would let the caller wait longer than the fallback plan."""

    redial_delay_s: float = 0.25
    redial_spread_s: float = 0.5
    """Between two tries: 250 to 750 ms, spread so that calls that failed together do not return together."""

    redial_delay_max_s: float = 2.0
    """A server that wants to be left alone for longer is not tried again: the caller would wait."""

    reconnects_max: int = 2
    reconnects_within_s: float = 600.0
    """Two sessions lost in ten minutes are replaced; for the third the fallback plan is the better answer."""

    renew_after_s: float = 50 * 60.0
    """A Realtime session ends at 60 minutes. Ten minutes are enough to find a quiet moment."""

    renew_before_s: float = 10 * 60.0
    """The same before `expires_at`, where the server says that a session ends sooner. One that lasts less
    than 20 minutes is renewed at the half of what it has left."""

    expiry_min_s: float = 60.0
    """`expires_at` nearer than this, or past, comes of a clock that is wrong, ours or theirs: it is not
    believed, and the fixed 50 minutes hold. Otherwise each session would be renewed as soon as it stands."""

    renew_again_after_s: float = 30.0
    """A renewal that did not come about is tried again then."""

    amend_timeout_s: float = 2.0
    """The agent wants other instructions or tools, and the model does not confirm them: from then on it is
    asked all the same. It confirms within a round trip; the caller may be waiting."""

    move_timeout_s: float = 2.0
    """A renewal holds the caller's audio while the new session is told the conversation. Longer than this
    would be heard: the old session goes on."""

    # Sound.

    connect_clip_after_s: float = 1.5
    """A caller who waits for a session hears the clip after so much silence."""

    clip_after_s: float = 3.0
    """A caller who waits for an answer hears the clip after so much silence, counted from their last word:
    the silence that turn detection waits for is part of it. 3 s, 0.5 s for the way there and back, and 0.5 s
    by which their last word may have been placed too late, are the promised 4 s."""

    meaning_wait_s: float = 8.0
    """The longest that turn detection by meaning waits for more words (eagerness low)."""

    quiet_margin_s: float = 0.5
    """The line is quiet for the silence that ends a turn (0.5 s) and so much more, and the model still says
    that the caller speaks: from then on, 1 s after their last word, it owes an answer, whatever it says."""

    quiet_after_word_s: float = 2.0
    """The same where less than `cough_ms` was loud: a "yes", or a voice that hardly stands out of the noise,
    of which something more would have been loud by then."""

    caller_look_every_s: float = 0.5
    """How often that is looked at while the caller speaks, so it is seen after 1.5 s at the latest. A look is
    a comparison of two numbers."""

    answer_timeout_s: float = 8.0
    """An answer is owed and nothing at all came from the model: the session is replaced, unless the answer
    was made to its end and only `response.done` stays out: then it counts as given. A model that is asked to
    think harder has longer; the caller hears the clip meanwhile."""

    give_up_after_s: float = 15.0
    """The caller waits and has not heard the agent for so long: the fallback plan. 8 s until a silent session
    is replaced, and 7 s for the next one to be had and to speak. A tool that answers starts it anew."""

    wait_max_s: float = 45.0
    """The caller has not heard the agent for so long, whatever tools do meanwhile: the fallback plan. Two
    tools one after the other, of 12 s each, and the 15 s behind them are 39 s."""

    waiting_sound_every_s: float = 2.0
    """Between two soft sounds while a tool takes its time: often enough that nobody asks whether somebody is
    there, seldom enough not to be a noise."""

    unheard_ms_max: int = 120_000
    """Agent audio ahead of the phone. Nobody speaks for two minutes: the answer has run away and is cut."""

    # What the line says against the model.

    greeting_protected_s: float = 12.0
    """From its first sound on: the caller's words do not stop the greeting. Thirty words, at 150 a minute:
    nobody greets for longer."""

    utterance_max_s: float = 45.0
    """The model says for so long that the caller speaks: then their turn is ended for it, and an answer is
    asked for. At 150 words a minute 45 s are 110 words. The second time the session is replaced, if none was
    lost lately."""

    unseen_end_timeout_s: float = 2.0
    """From the caller's last word on: the line is quiet, and the model still says that they speak. After 1 to
    1.5 s that is seen, after 2 s the model is asked; with 1.5 s for a sign of life a dead session is replaced
    after 3.5 s."""

    loud_again_after_s: float = 30.0
    """A line that is loud while the model hears no speech: how often the model is asked about it. Where a
    street is that loud, it costs two answers a minute, which nobody waits for. Words that were transcribed of
    it prove that it is no street: then the next are asked about at once."""

    command_timeout_s: float = 2.0
    """The server answers every command but audio, within a round trip. Nothing for so long: it is asked for a
    sign of life. With the 1.5 s for that a session is replaced 3.5 s after the command."""

    sign_timeout_s: float = 1.5
    """Asked for a sign of life, it has said nothing at all: there is nobody. The line is loud for 1.5 s
    before it is asked, so a caller who talks to a dead session gets another one after 3 s."""

    cough_ms: int = 400
    """An utterance with less loudness than this is a cough or a door, two syllables at most: a model that
    makes no sound of it is right. Nor can the line say when such an utterance ends: it hardly stands out of
    the noise."""

    # The phone.

    media_gap_warning_s: float = 2.0
    """No caller audio: noted. Twilio sends a frame each 20 ms, silence included."""

    media_gap_timeout_s: float = 15.0
    """No caller audio: the stream is lost."""

    messages_per_second_max: int = 120
    """Messages of one kind that a phone may send, over a longer time; then its stream is closed. A line sends
    50 frames of audio a second, and nothing else as often."""

    messages_at_once_max: int = 240
    """So many of one kind may come at once: 15 s of somebody who leans on a key, and then some."""

    farewell_timeout_s: float = 5.0
    """Beyond the length of the last words: how long their final mark may take."""

    # The length of a call.

    call_length_max_s: float = 60 * 60.0
    """Then the agent says goodbye."""

    call_length_warning_s: float = 60.0
    """So long before its end the agent says that the call is about to end. A call that may not last twice
    as long is not warned."""

    caller_silence_s: float = 60.0
    """From the last words that were understood, the caller's or the agent's: noise is neither, nor what the
    agent answers to it. Then the agent asks whether the caller is still there. Half as long again, and it
    says goodbye. 0: never."""

    leave_timeout_s: float = 20.0
    """For a goodbye, beyond what is unheard when it begins; then the call ends without it. 8 s for the model
    to speak, or for a session that it can speak in, 7 s of goodbye, and 5 s for its last mark."""

    linger_s: float = 8.0
    """After the end of a stream: for tools that run, which have 8 s unless told otherwise, and for the
    caller's last words. The phone is gone by then, and the place of the call is free. 0: not at all."""

    hand_over_timeout_s: float = 10.0
    """A process that goes away waits so long for the end of a turn, then hands over in the middle of it. A
    tool may take 8 s of it; a sentence takes 4 s."""

    # Memory.

    memory_entries_max: int = 400
    """Turns and tool results kept of one call: one each 9 s is an hour of quick talk."""

    retold_turns_max: int = 12
    retold_characters_max: int = 6_000
    """What a new session is told: the latest turns, about 1,500 tokens at four characters each. Every answer
    reads them again."""

    # A caller who is put through.

    transfer_decided_within_s: float = 60.0
    """So long after the ringing a person who was asked apart has decided, whatever Twilio tells or does not:
    it rings 5 s longer than it is told, 600 characters of briefing take 40 s, the key another 10."""

    # Turns.

    transcript_timeout_s: float = 5.0
    """A turn's record waits this long for the caller's transcript, which may come after the answer."""

    words_timeout_s: float = 30.0
    """Words that come later than the record correct it. A renewal waits for them so long after they were
    spoken: a transcript that takes longer than half a minute is one that the vendor has lost."""

    words_characters_max: int = 8_000
    """Kept of one utterance. At 15 characters a second that is nine minutes without a pause."""

    words_awaited_max: int = 16
    """Utterances of one turn, turns that wait for late words, and words that came before their utterance: of
    each so many. One caller says a dozen things in half a minute."""

    keys_timeout_s: float = 2.0
    """After the last key the digits go to the model; `#` ends them at once."""

    keys_gap_s: float = 2.0
    keys_told_per_minute_max: int = 10
    """Keys are told, and so answered, no closer together and no more often; others wait and are told with the
    next. A menu of five levels is through in ten seconds. Keys are pressed ten times a second by who leans on
    one; ten answers a minute of some 2,000 tokens each are a tenth of what the smallest account may use
    (200,000 a minute)."""

    keys_pressed_max: int = 64
    """Keys of one message; more are dropped. The longest number that anybody types, an IBAN, has 34."""

    menu_keys_per_minute_max: int = 30
    """Keys that mean something by themselves, each of which runs code of the agent's; others are passed over.
    Nobody listens to a menu as fast as that, but somebody may lean on a key."""

    responses_per_minute_max: int = 30
    """Responses of one call in a minute, whoever has caused them. People who talk take turns of 3 s and more,
    which makes 20 in a minute; a tool in every other turn makes 30. Above it we ask for none, and who waits
    is bounded as ever (`give_up_after_s`); the server's own answers cannot be refused, so above twice as many
    the call ends in words. 60 are still less than a sixth of the smallest account's 400 requests a minute."""

    muted_timeout_s: float = 3.0
    """An interrupted response whose `response.done` does not come: from then on it no longer keeps another
    one from being asked for. The server sends it within a round trip of the cancellation."""

    retry_delay_s: float = 1.0
    """After a response that failed or brought no sound, before the next attempt."""

    retry_delay_max_s: float = 10.0
    """An error may name the wait ("try again in 7.2s"): it is kept up to here, with the clip meanwhile. 5 s
    are left then for the answer to begin, before the caller is given up after 15 s."""

    response_attempts_max: int = 3
    """Responses in a row that failed or brought no sound, before the session is replaced. The waits
    between them are 2 s in all."""

    silent_rounds_max: int = 5
    """Responses in a row that call tools and say nothing: the next one may call none, so the agent speaks.
    Who books a table looks it up, books it and writes it down: three."""

    held_audio_ms_max: int = 9_000
    """Caller audio held until the first session is ready: the 8 s in which one must be had, and a second.
    Beyond it the oldest is dropped and counted."""

    held_again_ms_max: int = 3_000
    """The same when a session is replaced in the middle of a call. Older audio is stale: what the caller said
    to nobody would be answered after what they say now. Not counted is what they were saying when the last
    session was lost and may not have heard: that goes up first, 8 s at most."""

    mark_every_ms: int = 200
    """One mark per so much agent audio. Twilio's engineers warn that very many marks add delay."""

    marks_outstanding_max: int = 400
    """80 s of unheard audio at one mark per 200 ms. Beyond it no marks are sent until echoes come."""

    heard_tail_ms: int = 60
    """An item with no more than this left counts as heard to its end. Truncation takes the item's whole
    transcript from the model's memory, too high a price for three frames of trailing silence."""

    bad_messages_max: int = 50
    bad_messages_within_s: float = 10.0
    """So many messages of one peer that could not be read, in so long a time: one more, and the peer is not
    speaking the protocol. A phone whose every frame is bad is known after a second (50 frames); one strange
    event in each answer of a model never comes near."""

    sayings_waiting_max: int = 16
    """Words of the agent's own code that wait to be said, each a sentence or two. Above it the oldest are
    not said."""

    # Tools.

    tool_timeout_s: float = 8.0
    """A tool that takes longer is told to the model as one that ran out of time. 7 s are left then for words
    about it, before the caller is given up after 15 s."""

    tool_kept_within_s: float = 0.25
    """What it may take to write down that a tool begins: a commit takes a few milliseconds. Beyond it the
    tool runs, with a warning, unless it is irreversible."""

    tool_calls_per_response_max: int = 16
    """More in one response are answered without being run. A model that asks for a table, a taxi and the
    weather asks for three."""

    tool_arguments_bytes_max: int = 8 * 1024
    """Longer arguments are refused. As much as a result may have: both are read again with every response."""

    stored_result_turns: int = 2
    """After a lost session the same question is answered with the result that is known for it, in the turn in
    which it was asked, and two more: the agent's apology, the caller's "are you there?". Later the caller
    wants to know anew."""

    def __post_init__(self) -> None:
        ready_ms = self.connect_timeout_s * 1000
        assert self.held_audio_ms_max >= ready_ms, "the caller's first words must survive the dial"
        assert self.keys_told_per_minute_max <= self.responses_per_minute_max, "keys alone end no call"
        assert 0 < self.heard_tail_ms < self.mark_every_ms
        assert self.renew_after_s < 3600, "the model ends its session at 60 minutes"
        assert self.expiry_min_s > 0, "a session that has expired is not renewed for ever"
        assert self.connect_clip_after_s <= self.clip_after_s < 4, "no silence of 4 s"
        assert self.answer_timeout_s < self.give_up_after_s, "a session is replaced before it is given up"
        assert self.give_up_after_s <= self.wait_max_s, "the wait that tools put off is the shorter one"
        assert self.media_gap_warning_s <= self.media_gap_timeout_s
        assert self.tool_timeout_s < self.give_up_after_s, "a tool is told before the caller is given up"
        assert self.transcript_timeout_s <= self.words_timeout_s, "late words are later than the record"
