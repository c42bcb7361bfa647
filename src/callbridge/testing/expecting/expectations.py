"""`call.expect`: the face of all that a test may expect of a call. The neighbours say what each means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from callbridge.testing.expecting import course, ear, times, tools, verdicts, words
from callbridge.testing.expecting.unmet import ExpectationError
from callbridge.testing.persona.judging import judge_call
from callbridge.testing.persona.missing import TextModelMissing

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable

    from callbridge.testing.call_data import CallData
    from callbridge.testing.expecting.matching import Words
    from callbridge.testing.expecting.unmet import Unmet
    from callbridge.testing.persona.judge import Judge, Judgement

__tracebackhide__ = True

_Whose = Literal["heard", "said", "caller"]


class ToolExpectation:
    """What is expected of the calls of one tool. By itself: that it was called at least once.

    Each method can be followed by another one: `.once().returned("From eight until two.")`.
    """

    def __init__(self, expect: Expectations, calls: tools.ToolCalls) -> None:
        self._expect, self._calls = expect, calls

    def once(self) -> Self:
        """Called once, and not twice."""
        return self.times(1)

    def times(self, count: int) -> Self:
        """Called so many times."""
        return self._asked(self._calls.counted(count, count))

    def at_least(self, count: int) -> Self:
        """Called so many times or more."""
        return self._asked(self._calls.counted(count))

    def never(self) -> None:
        """Not called."""
        self._asked(self._calls.counted(0, 0))

    def ran(self, times: int = 1) -> Self:
        """So many of these calls were run and answered; what follows is about those alone.

        A tool that asks first (`confirm=True`) is called twice and runs once.
        """
        self._asked(self._calls.ran(times))
        self._calls = self._calls.answered
        return self

    def returned(self, result: Any) -> Self:
        """Each of these calls had this result: as text, or as the value that its JSON means."""
        return self._asked(self._calls.returned(result))

    def failed(self) -> Self:
        """Each of these calls failed, was refused, took too long or was cancelled."""
        return self._asked(self._calls.failed())

    def _asked(self, unmet: Unmet | None) -> Self:
        self._expect._take(unmet, about=self)
        return self

    def was_called(self) -> Unmet | None:
        """What is expected where nothing is said."""
        return self._calls.counted(1)


class Expectations:
    """What is expected of a call. Whatever is not so raises an `ExpectationError`, an `AssertionError`.

    A measurement that the call has not is never taken for 0: what is expected of it is not met.
    """

    def __init__(self, call: CallData) -> None:
        self._call = call
        self._unasked: ToolExpectation | None = None
        """A tool of which nothing was said yet: it may be followed by `never()`."""
        self._collected: list[Unmet] | None = None

    # --- Several at once ----------------------------------------------------------------------------------

    def all(self) -> AllOf:
        """Within it nothing is raised; at its end all that is not met is, at once."""
        return AllOf(self)

    def settle(self) -> None:
        """Judges a `tool(…)` behind which nothing was written. At the end of a test `line` asks for it."""
        self._take(None)

    def _take(self, *unmet: Unmet | None, about: ToolExpectation | None = None) -> None:
        """Takes what was found of an expectation: nothing, or what is not met.

        Args:
            unmet: None for what is met.
            about: the tool of which it says something.
        """
        open_one, self._unasked = self._unasked, None
        found = [] if open_one is None or open_one is about else [open_one.was_called()]
        wrong = [one for one in (*found, *unmet) if one is not None]
        if self._collected is not None:
            self._collected += wrong
        elif wrong:
            raise ExpectationError(wrong)

    # --- A judge ------------------------------------------------------------------------------------------

    def judged(self, judge: Judge, *, veto: Callable[[CallData], str | None] | None = None) -> Judgement:
        """A text model says yes to every criterion, and `veto` has nothing to say against it.

        Nothing that fails is saved by a judge: each other expectation stands for itself. Write it last: where
        there is no text model the test ends here, and is skipped.

        Args:
            judge: the criteria.
            veto: says why the call is none that may pass, and nothing where it may.

        Raises:
            TextModelMissing: there is none to be asked. A runner skips the test then.
            TextModelFault: it says nothing that can be used, or would cost too much.
            TypeError: `veto` says neither.
        """
        vetoed = verdicts.vetoed(veto(self._call) if veto is not None else "")
        try:
            judgement = judge_call(judge, self._call)
        except TextModelMissing:
            self._take(vetoed)  # It needs no judge.
            raise
        self._take(*verdicts.unmet(judgement), vetoed)
        return judgement

    # --- Tools --------------------------------------------------------------------------------------------

    def tool(self, name: str, /, **arguments: Any) -> ToolExpectation:
        """The model called a tool with at least these arguments.

        An argument is given by its value, by a pattern (`re.compile("sun", re.I)`), by a function that says
        yes to it, or by its type. Say how often: `.once()`, `.times(n)`, `.at_least(n)` or `.never()`; by
        itself it means at least once.
        """
        self.settle()
        self._unasked = ToolExpectation(self, tools.ToolCalls(self._call, name, arguments))
        return self._unasked

    def tools(self, *names: str) -> None:
        """The model called these tools, in this order, and no others."""
        self._take(tools.exactly(self._call, names))

    def only_tools(self, *names: str) -> None:
        """The model called no tools but these, however often."""
        self._take(tools.only(self._call, names))

    def no_tools(self) -> None:
        """The model called no tool."""
        self._take(tools.only(self._call, ()))

    # --- Words --------------------------------------------------------------------------------------------

    def heard(self, text: Words, *, turn: int | None = None) -> None:
        """These words of the agent reached the caller's ear, in one turn. Case and punctuation do not count.

        Args:
            text: the words, or a pattern.
            turn: in which turn; the greeting is the first. In any when None.
        """
        self._take(words.said(self._call.story, "heard", text, turn))

    def not_heard(self, text: Words, *, turn: int | None = None) -> None:
        """These words never reached the caller's ear."""
        self._take(words.not_said(self._call.story, "heard", text, turn))

    def said(self, text: Words, *, turn: int | None = None) -> None:
        """The agent was to say these words, whether they were heard or cut."""
        self._take(words.said(self._call.story, "said", text, turn))

    def not_said(self, text: Words, *, turn: int | None = None) -> None:
        """The agent was never to say these words."""
        self._take(words.not_said(self._call.story, "said", text, turn))

    def caller_said(self, text: Words, *, turn: int | None = None) -> None:
        """These words of the caller's stand in the transcript."""
        self._take(words.said(self._call.story, "caller", text, turn))

    # --- Times and money ----------------------------------------------------------------------------------

    def latency(
        self, *, p50_ms: int | None = None, p95_ms: int | None = None, max_ms: int | None = None
    ) -> None:
        """From the end of the caller's words to the first audio that they heard, over all turns.

        `p95_ms` takes 20 turns.
        """
        self._take(*times.latency(self._call.story, p50_ms, p95_ms, max_ms))

    def greeting(self, *, within_ms: int | None = None, whole: bool = False) -> None:
        """The caller was greeted: so soon after dialling, and to the end of it.

        Args:
            within_ms: from dialling, the webhook included, to the first audio.
            whole: all of it was heard.
        """
        self._take(*times.greeting(self._call.phone, within_ms, is_whole=whole))

    def first_audio(self, *, within_ms: int) -> None:
        """The agent was heard so soon after the media stream began."""
        self._take(times.first_audio(self._call.phone, within_ms))

    def barge_in(self, *, within_ms: int) -> None:
        """Whenever the caller spoke into the agent's words, the agent was silent within so much."""
        self._take(times.barge_in(self._call.phone, within_ms))

    def duration(self, *, max_s: float | None = None, min_s: float | None = None) -> None:
        """The call took so long, from dialling to its end."""
        self._take(times.duration(self._call.phone, max_s, min_s))

    def cost(self, *, max_dollars: float) -> None:
        """The call cost at most so much, by the service's price list."""
        self._take(times.cost(self._call.story, max_dollars))

    # --- The caller's ear ---------------------------------------------------------------------------------

    def silence(self, *, max_ms: int) -> None:
        """Nobody was heard for at most so long, the caller's own turns left out."""
        self._take(ear.silence(self._call, max_ms))

    def talk_over(self, *, max_ms: int) -> None:
        """Both spoke at once for at most so long without a break."""
        self._take(ear.talk_over(self._call, max_ms))

    def interruptions(self, count: int) -> None:
        """The caller's voice or keys cut the agent so many times."""
        self._take(ear.interruptions(self._call, count))

    def interrupted_at(self, at_ms: int, tolerance_ms: int = 150) -> None:
        """So much of an utterance had been heard when it was cut.

        That is behind the caller's first sound by what detection takes: 100 ms at least.
        """
        self._take(ear.interrupted_at(self._call, at_ms, tolerance_ms))

    def truncation(self, *, within_ms: int) -> None:
        """Of all that was cut, the model remembers what the caller heard, give or take so much."""
        self._take(ear.truncation(self._call, within_ms))

    def no_false_barge_ins(self) -> None:
        """Nothing but the caller's words and keys has cut the agent."""
        self._take(ear.false_barge_ins(self._call))

    def no_spurious_answers(self) -> None:
        """The agent answered nothing but the caller's words and keys."""
        self._take(ear.spurious_answers(self._call))

    # --- The course of the call ---------------------------------------------------------------------------

    def ended(self, reason: str) -> None:
        """The call ended for this reason: `agent_hangup`, `caller_hangup`, `transferred` or another one."""
        self._take(course.ended(self._call, reason))

    def ended_by(self, whom: Literal["agent", "caller"]) -> None:
        """The agent or the caller ended the call, as people do."""
        self._take(course.ended_by(self._call, whom))

    def step(self, name: str) -> None:
        """The agent's flow came to this step."""
        self._take(course.step(self._call, name))

    def steps(self, *names: str) -> None:
        """The agent's flow went through these steps, in this order, and through no others."""
        self._take(course.steps(self._call, names))

    def handed_to(self, agent: str) -> None:
        """The caller was handed over to the agent of this name, within the call."""
        self._take(course.handed_to(self._call, agent))

    def captured(self, form: str, /, **fields: Any) -> None:
        """An object of this form was captured, with at least these fields, given as in `tool`.

        A form is called as its tools are: `Appointment` is `appointment`, of `note_appointment`.
        """
        self._take(course.captured(self._call, form, fields))

    def transferred(self, to: str | None = None, *, outcome: str = "connected") -> None:
        """The caller was put through to this destination, and this became of it, a `TransferOutcome`."""
        self._take(course.transferred(self._call, to, outcome))

    def keys(self, keys: str) -> None:
        """The agent got these keys of the caller's."""
        self._take(course.keys(self._call, keys))

    def keys_sent(self, keys: str) -> None:
        """The agent sent the tones of these keys, and a telephone understands them."""
        self._take(course.keys_sent(self._call, keys))

    def text_sent(self, template: str | None = None, *, outcome: str | None = None) -> None:
        """A text message was sent, and taken by Twilio unless another `TextOutcome` is named."""
        self._take(course.text_sent(self._call, template, outcome))

    def no_complaints(self, *, except_: str | re.Pattern[str] | Iterable[str | re.Pattern[str]] = ()) -> None:
        """Neither caller, Twilio, model nor operator has anything to complain about; see `Complaint`.

        Args:
            except_: kinds of complaints that are meant to be there, or patterns of their text; or one.
        """
        self._take(course.no_complaints(self._call, except_))


class AllOf:
    """`with call.expect.all():` collects what is not met. A generator would show in each failure."""

    def __init__(self, expect: Expectations) -> None:
        self._expect = expect
        self._collected: list[Unmet] = []
        self._outer: list[Unmet] | None = None

    def __enter__(self) -> Expectations:
        self._outer, self._expect._collected = self._expect._collected, self._collected
        return self._expect

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        # Without a text model a test is skipped: not one that has failed by then.
        is_missing = isinstance(error, TextModelMissing)
        if error is None or is_missing:
            self._expect.settle()
        self._expect._collected = self._outer
        if error is None or (is_missing and self._collected):
            self._expect._take(*self._collected)
        elif self._collected:
            error.add_note(f"before it: {ExpectationError(self._collected)}")
