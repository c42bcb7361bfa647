"""Calls drawn from a seed: what the agent says, how the caller behaves, what goes wrong meanwhile."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from callbridge.call.limits import Limits
from callbridge.simulators import phone
from callbridge.simulators.voice_model import Answer, Call, ConnectFault, Failure, Fault, Oddity, Script
from callbridge.simulators.voice_model import Say as Speech
from streams import Mishap, MishapKind
from worlds import Conditions, World

LOUD = bytes(range(0x30)) + bytes(range(0x80, 0xB0))
"""µ-law codes far above any threshold."""

LOUD_OF = bytes(LOUD[number * len(LOUD) // 256] for number in range(256))
"""A loud code for each byte."""

WORD_BYTES, GAP_BYTES = 240 * 8, 60 * 8
"""A word, and the gap behind it."""

Status = Literal["completed", "failed", "incomplete"]
STATUSES: tuple[Status, ...] = ("completed", "failed", "incomplete")

NETWORKS = ((0, 0), (60, 0), (120, 0), (40, 20), (90, 40))
"""Delay and jitter each way, in ms."""


def noise(rng: random.Random, duration_ms: int) -> bytes:
    """Loud audio that occurs nowhere else, so that every byte can be found again."""
    # Eight bytes are drawn for each that is used, as `rng.choices` would: a seed keeps its call. All in one
    # piece, because this was a quarter of the cost of a call.
    return rng.randbytes(duration_ms * 8 * 8)[3::8].translate(LOUD_OF)


def words(rng: random.Random, duration_ms: int) -> bytes:
    """The same as somebody says it, with a gap after each word: steady loudness is the noise of a line."""
    audio = bytearray(noise(rng, duration_ms))
    for begin in range(WORD_BYTES, len(audio), WORD_BYTES + GAP_BYTES):
        gap = audio[begin : begin + GAP_BYTES]
        audio[begin : begin + GAP_BYTES] = b"\xff" * len(gap)
    return bytes(audio)


def random_script(rng: random.Random) -> Script:
    """A greeting and some answers; one or two items each, some with tools, some that fail."""
    answers = [Answer(say=(_speech(rng),))]
    for _ in range(rng.randint(2, 5)):
        items = tuple(_speech(rng) for _ in range(rng.choices((1, 2, 3), (6, 3, 1))[0]))
        status: Status = rng.choices(STATUSES, (12, 1, 1))[0]
        calls = tuple(Call(name="look_up") for _ in range(rng.choices((0, 1, 2), (8, 2, 1))[0]))
        answers.append(
            Answer(
                say=items,
                calls=calls if status == "completed" else (),
                status=status,
                stop_after_ms=rng.randint(0, 800) if status != "completed" else None,
                pace=rng.choice((1.3, 3.0, 6.0, 20.0)),
                delta_bytes=rng.choice(((80, 400), (300, 2000), (2000, 6000))),
                after_ms=rng.choice((0, 150, 400)),
                interrupt_lag_ms=rng.choice((0, 0, 80)),
                caller="something",
                transcript=rng.choice(("before", "during", "after")),
            )
        )
    goodbye = Answer(say=(_speech(rng, most_ms=1500),), calls=(Call(name="end_call"),))
    return Script(answers=tuple(answers), default=goodbye)


def random_caller(rng: random.Random, *, keys: bool) -> phone.CallerScript:
    """Questions, interruptions at any moment, pauses; then waits for the agent to end the call."""
    steps: list[phone.Step] = []
    if rng.random() < 0.2:
        steps.append(phone.InterruptAt(rng.uniform(0.1, 1.5), words(rng, rng.randint(200, 900))))
    for _ in range(rng.randint(2, 6)):
        audio = words(rng, rng.randint(250, 1500))
        kinds: list[list[phone.Step]] = [
            [phone.WaitForAgent(), phone.Say(audio)],
            [phone.Interrupt(rng.choice((30, 200, 700, 1500, 3000)), audio)],
            [phone.Pause(rng.uniform(0, 2500)), phone.Say(audio)],
        ]
        if keys:
            kinds.append([phone.Pause(rng.uniform(0, 2000)), phone.Press(rng.choice(("1", "42#", "0")))])
        steps += rng.choice(kinds)
    # Whatever is left of the script, the caller talks on until the agent says goodbye.
    for _ in range(6):
        steps += [phone.WaitForAgent(quiet_ms=1200), phone.Say(words(rng, 400))]
    return phone.CallerScript([*steps, phone.WaitForEnd()])


def random_world(seed: int, *, keys: bool = False) -> World:
    """One call in virtual time in which only the network is not perfect."""
    rng = random.Random(seed)
    delay_ms, jitter_ms = rng.choice(NETWORKS)
    conditions = Conditions(
        phone_delay_ms=delay_ms,
        phone_jitter_ms=jitter_ms,
        model_delay_ms=rng.choice((1, 20, 80)),
        dial_s=rng.choice((0.05, 0.4, 1.5)),
        tool_s=rng.choice((0.01, 0.5, 3.0)),
    )
    return World(random_script(rng), random_caller(rng, keys=keys), seed, conditions)


def _speech(rng: random.Random, *, most_ms: int = 5000) -> Speech:
    return Speech(text="Words of the agent.", audio=noise(rng, rng.randint(200, most_ms)))


WORDS_MS = 200
"""One word of a numbered speech takes so long."""

LEAVES_AFTER_S = 18.0
"""A caller who was not helped by then hangs up; most do after half of it."""


@dataclass(slots=True)
class _Numbers:
    """Numbers the speeches of a call, so that every retold word names the audio that said it."""

    given: int = 0

    def speech(self, rng: random.Random, most_ms: int = 800) -> Speech:
        """Some words, each of `WORDS_MS`: `s3-0 s3-1 …`."""
        self.given += 1
        count = rng.randint(1, most_ms // WORDS_MS)
        text = " ".join(f"s{self.given}-{word}" for word in range(count))
        return Speech(text=text, audio=noise(rng, count * WORDS_MS))


def faulty_world(seed: int, *, traces: bool = False) -> World:
    """A short call with up to three faults of the model, of the phone, of tools and of the process.

    Args:
        seed: what is drawn; the same call for the same seed.
        traces: whether the world writes down all that happens.
    """
    rng = random.Random(f"faulty {seed}")
    kinds = rng.choices((0, 1, 2, 3), (2, 5, 3, 1))[0]
    at_once = [rng.choice(_FAULTS) for _ in range(kinds)]
    delay_ms, jitter_ms = rng.choice(NETWORKS)
    numbers = _Numbers()
    answers = [_answer(rng, numbers, is_first=not number) for number in range(rng.randint(2, 3))]
    connect: list[ConnectFault] = []
    faults: list[Fault] = []
    oddities: list[Oddity] = []
    mishaps: list[Mishap] = []
    for fault in at_once:
        match fault:
            case "connect":
                connect.append(_connect_fault(rng))
            case "answer":
                place = rng.randrange(len(answers))
                answers[place] = _spoilt(rng, answers[place])
            case "session":
                faults.append(_session_fault(rng))
            case "odd answer":
                place = rng.randrange(len(answers))
                answers[place] = _odd_answer(rng, answers[place])
            case "hearing":
                faults.append(_hearing_fault(rng))
            case "half open":
                faults.append(_half_open(rng))
            case "odd event":
                oddities.append(_oddity(rng))
            case _:
                mishaps.append(_mishap(rng))
    conditions = Conditions(
        phone_delay_ms=delay_ms,
        phone_jitter_ms=jitter_ms,
        model_delay_ms=rng.choice((1, 20, 20, 80)),
        dial_s=rng.choice((0.05, 0.05, 0.4, 1.2)),
        tool_s=rng.choice((0.01, 0.5, 0.5, 2.0, 4.0, 9.0)),
        tool_fails=rng.random() < 0.2,
        webhook_s=rng.choice((0.05, 0.3)),
        connect_s=rng.choice((0.1, 0.4)),
        loses_last_entry=rng.random() < 0.3,
        mishaps=tuple(mishaps),
    )
    goodbye = Answer(say=(numbers.speech(rng, 600),), calls=(Call(name="end_call"),), after_ms=100)
    script = Script(
        answers=tuple(answers),
        default=goodbye,
        connect=tuple(connect),
        faults=tuple(faults),
        oddities=tuple(oddities),
        answers_go_on=True,
    )
    return World(
        script, _short_caller(rng), seed, conditions, limits=_limits(rng), clip=noise(rng, 600), traces=traces
    )


_FAULTS = (
    *("connect", "answer", "answer", "session", "session", "mishap", "mishap"),
    *("odd answer", "odd answer", "hearing", "half open", "odd event", "odd event"),
)


def _answer(rng: random.Random, numbers: _Numbers, *, is_first: bool) -> Answer:
    items = tuple(numbers.speech(rng) for _ in range(rng.choices((1, 2, 3), (6, 3, 1))[0]))
    calls = tuple(Call(name="look_up") for _ in range(rng.choices((0, 1, 2), (7, 2, 1))[0]))
    return Answer(
        say=items[:1] if is_first else items,
        calls=() if is_first else calls,
        calls_first=rng.random() < 0.3,
        pace=rng.choice((1.3, 3.0, 6.0, 20.0)),
        delta_bytes=rng.choice(((300, 1000), (500, 2000), (2000, 6000))),
        after_ms=rng.choice((0, 150, 400)),
        interrupt_lag_ms=rng.choice((0, 0, 80)),
        late_deltas=rng.choice((0, 0, 2)),
        caller="something",
        transcript=rng.choice(("before", "during", "after")),
    )


def _spoilt(rng: random.Random, answer: Answer) -> Answer:
    """An answer that does not come, does not end, comes late, or breaks off."""
    if not answer.say:  # It is spoilt already.
        return answer
    whole = {name: getattr(answer, name) for name in ("pace", "delta_bytes", "caller", "transcript")}
    match rng.randrange(7):
        case 0:
            return Answer(silent=True, **whole)
        case 1:
            return Answer(absent=True, **whole)
        case 2:
            return Answer(say=answer.say, endless=True, **whole)
        case 3:
            return Answer(say=answer.say, after_ms=rng.choice((2000, 5000, 9000)), **whole)
        case 4:
            status: Status = rng.choice(("failed", "incomplete"))
            code = rng.choice(("server_error", "rate_limit_exceeded", "insufficient_quota"))
            return Answer(
                say=answer.say,
                status=status,
                error=Failure(code=code),
                stop_after_ms=rng.randint(0, 800),
                **whole,
            )
        case _:
            at: Literal["start", "end"] | int = rng.choice(("start", "end", rng.randint(0, 1500)))
            kinds = (
                Fault(kind="abort", at=at),
                Fault(kind="close", at=at, code=rng.choice((1000, 1001, 1011, 1013))),
                Fault(kind="stall", at=at, seconds=rng.choice((None, 1.0, 5.0))),
                Fault(kind="garbage", at=at),
                Fault(kind="unknown_event", at=at),
                Fault(kind="wrong_type", at=at),
                Fault(kind="binary", at=at),
                Fault(kind="error", at=at),
                Fault(kind="quota", at=at),
            )
            return msgspec.structs.replace(answer, faults=(rng.choice(kinds),))


def _odd_answer(rng: random.Random, answer: Answer) -> Answer:
    """An answer without sound, without end, without a word, or whose words are reported oddly."""
    if not answer.say:  # It is spoilt already.
        return answer
    said, *rest = answer.speeches
    asked: dict[str, Any] = {"pace": answer.pace, "caller": answer.caller}
    wait_s = rng.choice((0.4, 2.5, 7.2))
    no_tokens = Failure(code="rate_limit_exceeded", message="Rate limit reached.", try_again_s=wait_s)
    times = rng.choice((2, 5, 100))  # The last is for ever, as long as such a call lasts.
    form: Any = rng.choice(("text", "transcript"))
    kinds: tuple[Answer, ...] = (
        Answer(empty=True, **asked),
        Answer(say=(msgspec.structs.replace(said, form=form), *rest), calls=answer.calls, **asked),
        Answer(
            say=answer.say,
            status="incomplete",
            reason=rng.choice(("max_output_tokens", "content_filter")),
            stop_after_ms=rng.randint(100, 1500),
            **asked,
        ),
        Answer(status="failed", error=no_tokens, **asked),
        msgspec.structs.replace(answer, done_after_ms=rng.choice((1500, 6000, "never"))),
        Answer(calls=(Call(name="look_up"),), times=times, **asked),
        Answer(calls=(Call(name="end_call"),), times=times, **asked),
        msgspec.structs.replace(answer, transcript="never"),
        msgspec.structs.replace(
            answer, transcript="during", transcript_after_ms=rng.choice((3000, 8000, 20_000))
        ),
        msgspec.structs.replace(answer, transcript_error=Failure(code="audio_unintelligible")),
        msgspec.structs.replace(answer, faults=(Fault(kind="vad_noise", at=rng.randint(0, 1500)),)),
    )
    return rng.choice(kinds)


def _hearing_fault(rng: random.Random) -> Fault:
    """The model's turn detection is out of order, for a while or for the rest of a session."""
    after_ms, connection = rng.choice((0, rng.randint(100, 5000))), rng.choice((None, 1, 1, 2))
    kinds = (
        Fault(
            kind="vad_deaf", after_ms=after_ms, seconds=rng.choice((None, 2.0, 6.0)), connection=connection
        ),
        Fault(
            kind="vad_stuck", after_ms=after_ms, seconds=rng.choice((None, 2.0, 6.0)), connection=connection
        ),
        Fault(kind="vad_noise", after_ms=after_ms, connection=connection),
    )
    return rng.choice(kinds)


def _half_open(rng: random.Random) -> Fault:
    """A session of which nothing is heard any more, though its socket stays open."""
    connection, pongs = rng.choice((1, 1, 2)), rng.random() < 0.5
    kinds = (
        Fault(kind="stall", after_ms=rng.randint(0, 5000), connection=connection, pongs=pongs),
        Fault(kind="stall", on="response.create", connection=connection, pongs=pongs),
        Fault(kind="stall", on="conversation.item.create", connection=connection, pongs=pongs),
    )
    return rng.choice(kinds)


def _oddity(rng: random.Random) -> Oddity:
    """A field that is null, odd, missing or unknown, or an event that is left out."""
    nth = rng.choice((None, 1, 2))
    of_agent = {"item.role": "assistant"}
    kinds = (
        Oddity(event="response.done", nth=nth, set={"response.usage.total_tokens": 12.5}),
        Oddity(event="response.done", nth=nth, null=("response.usage",)),
        Oddity(event="response.done", nth=nth, null=("response.status_details", "response.metadata")),
        Oddity(event="response.done", nth=nth, set={"response.output": []}),
        Oddity(
            event="rate_limits.updated",
            nth=nth,
            repeat={"rate_limits": 51},
            null=("rate_limits.*.name", "rate_limits.*.remaining"),
        ),
        Oddity(event="input_audio_buffer.speech_started", nth=nth, null=("audio_start_ms",)),
        Oddity(event="input_audio_buffer.speech_stopped", nth=nth, remove=("audio_end_ms",)),
        Oddity(event="response.output_audio.delta", nth=nth, null=("content_index",)),
        Oddity(event="response.output_item.added", nth=nth, where=of_agent, set={"item.mood": ["calm"]}),
        Oddity(event="response.output_item.added", nth=nth, where=of_agent, left_out=True),
        Oddity(event="conversation.item.added", nth=nth, where=of_agent, left_out=True),
        Oddity(event="conversation.item.done", nth=nth, where=of_agent, left_out=True),
        Oddity(event="response.output_item.done", nth=nth, where=of_agent, left_out=True),
        Oddity(event="session.updated", nth=nth, set={"session.audio.input.turn_detection.mood": 0.5}),
    )
    return rng.choice(kinds)


def _session_fault(rng: random.Random) -> Fault:
    """Something that befalls one session, whatever it is at."""
    after_ms, connection = rng.randint(100, 5000), rng.choice((1, 1, 2))
    kinds = (
        Fault(kind="abort", after_ms=after_ms, connection=connection),
        Fault(kind="abort", after_ms=after_ms, connection=connection),
        Fault(kind="close", after_ms=after_ms, connection=connection, code=rng.choice((1000, 1001, 1011))),
        Fault(kind="expire", after_ms=after_ms, connection=connection),
        Fault(kind="garbage", after_ms=after_ms),
        Fault(kind="unknown_event", after_ms=after_ms),
        Fault(kind="wrong_type", after_ms=after_ms),
        Fault(kind="binary", after_ms=after_ms, connection=connection),
        Fault(kind="error", after_ms=after_ms),
        Fault(kind="ignore", on="session.update", nth=rng.choice((1, 2)), connection=connection),
        Fault(kind="ignore", on="response.create", nth=rng.choice((1, 2)), connection=connection),
        Fault(kind="error", on="response.create", nth=rng.choice((1, 2)), connection=connection),
        Fault(kind="abort", on="session.update", nth=rng.choice((1, 2)), connection=connection),
        Fault(kind="error", on="session.update", connection=connection),
        Fault(kind="abort", on="conversation.item.create", nth=rng.choice((1, 2))),
        Fault(kind="error", on="conversation.item.create", nth=rng.choice((1, 2))),
    )
    return rng.choice(kinds)


def _connect_fault(rng: random.Random) -> ConnectFault:
    """One connection refused, or an outage of some."""
    first = rng.choice((1, 1, 2))
    last = rng.choice((first, first, first + 1, None))
    kinds = (
        ConnectFault(kind="refuse", status=401, first=first, last=last),
        ConnectFault(kind="refuse", status=404, first=first, last=last),
        ConnectFault(
            kind="refuse", status=429, retry_after_s=rng.choice((0.5, 1.5, 20)), first=first, last=last
        ),
        ConnectFault(kind="refuse", status=429, error_code="insufficient_quota", first=first, last=last),
        ConnectFault(kind="refuse", status=429, first=first, last=last),
        ConnectFault(kind="refuse", status=503, first=first, last=last),
        ConnectFault(kind="refuse", status=500, first=first, until_s=rng.choice((0.2, 1.0))),
        ConnectFault(kind="hang", first=first, last=last),
        ConnectFault(kind="silent", first=first, last=last),
        ConnectFault(kind="close", code=1011, first=first, last=last),
        ConnectFault(kind="reject", code=3000, first=first, last=last),
    )
    return rng.choice(kinds)


_MISHAPS: tuple[tuple[MishapKind, int, tuple[float, ...]], ...] = (
    ("crash", 4, (0,)),
    ("hand_over", 4, (0,)),
    ("spend_over", 1, (0,)),
    ("shut_down", 1, (0,)),
    ("cut_phone", 4, (0,)),
    ("gap", 2, (0.3, 2.5, 16)),
    ("late_marks", 2, (0.3, 1.0)),
    ("duplicate_start", 1, (0,)),
    ("garbage", 1, (0,)),
    ("binary", 1, (0,)),
)


def _mishap(rng: random.Random) -> Mishap:
    kind, _, seconds = rng.choices(_MISHAPS, [weight for _, weight, _ in _MISHAPS])[0]
    return Mishap(rng.uniform(0.0, 5.0), kind, rng.choice(seconds))


def _limits(rng: random.Random) -> Limits:
    """The ordinary ones, but for what would make most calls long."""
    silence_s = rng.choice((1.0, 1.5, 1.5, 6.0))
    length_s = rng.choices((3600.0, 5.0, 9.0), (8, 1, 1))[0]
    renew_s = rng.choices((3000.0, 1.0, 3.0), (6, 1, 1))[0]
    return Limits(
        caller_silence_s=silence_s,
        call_length_max_s=length_s,
        call_length_warning_s=3.0,
        renew_after_s=renew_s,
        renew_again_after_s=2.0,
        unheard_ms_max=20_000,
    )


def _short_caller(rng: random.Random) -> phone.CallerScript:
    """Some words, interruptions or keys; then waits for the agent to end the call."""
    steps: list[phone.Step] = []
    if rng.random() < 0.2:
        steps.append(phone.InterruptAt(rng.uniform(0.1, 1.5), words(rng, _utterance_ms(rng))))
    for _ in range(rng.choice((1, 1, 2))):
        audio = words(rng, _utterance_ms(rng))
        kinds: list[list[phone.Step]] = [
            [phone.WaitForAgent(quiet_ms=300, patience_ms=4000), phone.Say(audio)],
            [phone.Interrupt(rng.choice((30, 200, 700)), audio, patience_ms=4000)],
            [phone.Pause(rng.uniform(0, 1200)), phone.Say(audio)],
            [phone.Pause(rng.uniform(0, 1200)), phone.Press(rng.choice(("1", "42#", "0")))],
        ]
        steps += rng.choices(kinds, (4, 3, 2, 1))[0]
    for _ in range(rng.choice((0, 1, 1))):
        steps += [
            phone.WaitForAgent(quiet_ms=300, patience_ms=5000),
            phone.Say(words(rng, _utterance_ms(rng))),
        ]
    leaves = rng.choices((LEAVES_AFTER_S / 2, LEAVES_AFTER_S, rng.uniform(0.2, 8)), (6, 1, 1))[0]
    leave_by = rng.choice((phone.Departure.HANG_UP, phone.Departure.HANG_UP, phone.Departure.VANISH))
    return phone.CallerScript([*steps, phone.WaitForEnd()], leave_at_s=leaves, leave_by=leave_by)


def _utterance_ms(rng: random.Random) -> int:
    """Most say little: "yes", "hello?". Whom a deaf model does not hear is noticed after 1.5 s."""
    return rng.choices((rng.randint(200, 600), rng.randint(1800, 3500)), (3, 1))[0]
