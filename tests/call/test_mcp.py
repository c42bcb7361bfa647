"""Tools of MCP servers that the model's side runs: answered about, approved, late, lost with a session."""

from __future__ import annotations

import json

import pytest

import vocabulary as v
from callbridge.call import actions as a
from callbridge.call.events import ToolFinished
from callbridge.call.facts import Noted, Remembered, ToolUsed
from callbridge.call.limits import Limits
from callbridge.call.mcp import KNOWN_MAX
from callbridge.call.memory import NOT_KNOWN, ToolAnswered, ToolStarted
from callbridge.call.outcomes import ToolOutcome
from callbridge.call.phases import Timer
from callbridge.call.wants import McpDecided
from callbridge.wire import realtime_commands as commands
from callbridge.wire import realtime_events as rt
from playbook import Id, Playbook, after, deadline
from rigs import AudioToPhone, Input

ASKED = '{"bread":"rye"}'
LIMITS = Limits()


def call(item_id: str = "mcp_1", **fields: object) -> rt.Item:
    """A call of the till's tool."""
    return rt.Item(item_id, "mcp_call", name="stock", server_label="till", **fields)  # type: ignore[arg-type]


def begins(response_id: str, item_id: str = "mcp_1") -> tuple[Input, ...]:
    """A response asks for a tool, and the vendor runs it."""
    return rt.OutputItemAdded(response_id, call(item_id)), rt.McpArgumentsDone(item_id, ASKED)


def started(item_id: str = "mcp_1") -> a.Note:
    return a.Note(Remembered(ToolStarted(2, item_id, "till_stock", ASKED)))


def ended(
    output: str, took_ms: int, outcome: ToolOutcome = ToolOutcome.ANSWERED, item_id: str = "mcp_1"
) -> tuple[a.Note, a.Note]:
    """It is kept, and counted."""
    kept = ToolAnswered(2, item_id, "till_stock", ASKED, output, outcome)
    used = ToolUsed("till_stock", took_ms, len(output), outcome, call_id=item_id, turn=2)
    return a.Note(Remembered(kept)), a.Note(used)


def request(item_id: str = "mcpr_1") -> rt.OutputItemDone:
    """The server wants to know whether a tool may be run."""
    item = rt.Item(item_id, "mcp_approval_request", name="stock", server_label="till", arguments=ASKED)
    return rt.OutputItemDone(item, "answer")


def decides(item_id: str, *, approve: bool, reason: str | None = None) -> a.SendToModel:
    return a.SendToModel(commands.CreateItem(item=commands.McpApproval(item_id, "mcpr_1", approve, reason)))


def running() -> Playbook:
    """The response that asked for a tool is done, and the tool runs."""
    book = v.answering(v.greeted())
    assert book >> begins("answer") << started() >> v.done("answer")
    return book


def test_an_answer_is_asked_for_when_it_is_done() -> None:
    """By us, once, and not before: no response follows by itself."""
    book = running()
    assert book >> after(0.5, rt.McpCallCompleted("mcp_1"))
    assert (
        book
        >> after(0.1, rt.ItemDone(call(output="12", arguments=ASKED)))
        << (*ended("12", 600), v.ask())
        >> rt.OutputItemDone(call(output="12", arguments=ASKED), "answer")
        >> v.answers("second", "it", 100)
        << AudioToPhone(100)
    )
    assert v.rests(book)


def test_one_that_fails_is_spoken_about() -> None:
    book = running()
    failed = rt.ItemDone(call(error=rt.McpError("the till is shut")))
    told = json.dumps({"error": "the till is shut"})
    assert book >> rt.McpCallFailed("mcp_1") >> failed << (*ended(told, 0, ToolOutcome.FAILED), v.ask())


def test_what_it_has_answered_is_not_waited_for_long() -> None:
    """The caller waits: the model has it, and we can do without."""
    book = running()
    assert book >> rt.McpCallCompleted("mcp_1")
    assert book >> deadline(Timer.MCP) << (*ended("", 250), v.ask())


def test_one_that_takes_too_long_is_spoken_about() -> None:
    """Nobody can stop it, so nobody says that it failed."""
    book = running()
    late = book.rig.wakes(book.rig.seconds + LIMITS.tool_timeout_s + 1)
    assert [timer for _, timer, _ in late if timer is Timer.MCP] == [Timer.MCP]
    outputs = [output for _, _, found in late for output in found]
    messages = [
        output.command.item.content[0].text
        for output in outputs
        if isinstance(output, a.SendToModel)
        and isinstance(output.command, commands.CreateItem)
        and isinstance(output.command.item, commands.Message)
        and isinstance(output.command.item.content[0], commands.InputText)
    ]
    assert [text for text in messages if "till_stock has not answered yet" in text]
    used = [
        output.fact for output in outputs if isinstance(output, a.Note) and isinstance(output.fact, ToolUsed)
    ]
    assert [fact.outcome for fact in used] == [ToolOutcome.TIMED_OUT]


def test_one_that_has_answered_has_run() -> None:
    """Also where nobody has said that its arguments are whole: the caller waits for what comes of it."""
    book = v.answering(v.greeted())
    assert book >> rt.OutputItemAdded("answer", call()) >> v.done("answer")
    answered = rt.ItemDone(call(output="12", arguments=ASKED))
    assert book >> answered << (started(), *ended("12", 0), v.ask())


def test_siblings_get_one_answer() -> None:
    """A tool of ours and one of theirs, asked for in one response."""
    book = v.answering(v.greeted())
    assert book >> begins("answer") << started() >> v.tool_call("answer", "call_1") << v.run_tool("call_1")
    assert book >> v.done("answer") >> after(0.5, v.tool_finished("call_1")) << v.tool_result(Id(), "call_1")
    assert book >> after(0.5, rt.ItemDone(call(output="12"))) << (*ended("12", 1000), v.ask())


def test_what_runs_is_lost_with_its_session() -> None:
    """The next one is told that nobody knows how it ended, and answers the caller."""
    book = running()
    outputs = book.rig.feed(v.error("session_expired"))
    notes = [output.fact for output in outputs if isinstance(output, a.Note)]
    assert ToolOutcome.CANCELLED in [fact.outcome for fact in notes if isinstance(fact, ToolUsed)]
    kept = [fact.entry for fact in notes if isinstance(fact, Remembered)]
    assert [entry.output for entry in kept if isinstance(entry, ToolAnswered)] == [NOT_KNOWN]
    assert book.rig.deadline is not None


def test_nobody_lingers_for_it() -> None:
    """Its session ends with the stream: what it comes to is told to nobody."""
    book = running()
    outputs = book.rig.feed(v.HANGS_UP)
    assert [output for output in outputs if isinstance(output, a.Note) and isinstance(output.fact, ToolUsed)]
    assert book.rig.is_over
    without = v.answering(v.greeted())
    without.rig.feed(v.done("answer"), v.HANGS_UP)
    assert book.rig.deadline == without.rig.deadline


class TestApprovals:
    def asked(self) -> Playbook:
        """The agent's code is asked."""
        book = v.answering(v.greeted())
        told = {"request": "mcpr_1", "server": "till", "tool": "stock", "arguments": ASKED}
        work = a.RunTool("mcpr_1", "mcp_approval", json.dumps(told), LIMITS.tool_timeout_s, is_ours=True)
        begun = ToolStarted(2, "mcpr_1", "mcp_approval", json.dumps(told), is_ours=True)
        assert book >> request() << (a.Note(Remembered(begun)), work) >> request() >> v.done("answer")
        return book

    def test_what_is_approved_runs_and_is_spoken_about(self) -> None:
        book = self.asked()
        assert book >> McpDecided("mcpr_1", is_given=True) << decides(Id(), approve=True)
        running = call(approval_request_id="mcpr_1", arguments=ASKED)
        assert book >> rt.ItemAdded(running) << started()
        assert book >> after(0.4, rt.ItemDone(call(output="12"))) << (*ended("12", 400), v.ask())

    def written(self) -> Playbook:
        """The same, of a call that is an item of its response: as OpenAI's own example has it."""
        book = v.answering(v.greeted())
        assert book >> begins("answer") << started()
        told = {"request": "mcpr_1", "server": "till", "tool": "stock", "arguments": ASKED}
        work = a.RunTool("mcpr_1", "mcp_approval", json.dumps(told), LIMITS.tool_timeout_s, is_ours=True)
        begun = ToolStarted(2, "mcpr_1", "mcp_approval", json.dumps(told), is_ours=True)
        whole = rt.ItemDone(request().item)
        assert book >> rt.ItemAdded(request().item) >> whole << (a.Note(Remembered(begun)), work)
        assert book >> request() >> v.done("answer")
        return book

    def test_a_call_that_was_written_before_runs_once_it_is_approved(self) -> None:
        """Nobody asks for it, and its time begins now."""
        book, item_id = self.written(), Id()
        assert book >> after(2.0, McpDecided("mcpr_1", is_given=True)) << decides(item_id, approve=True)
        book.rig.feed(rt.ItemAdded(rt.Item(item_id.value or "", "mcp_approval_response")))
        woken = [timer for _, timer, _ in book.rig.wakes(book.rig.seconds + LIMITS.tool_timeout_s - 0.1)]
        assert Timer.MCP not in woken
        whole = call(output="12", approval_request_id="mcpr_1", arguments=ASKED)
        outputs = book.rig.feed(rt.McpCallCompleted("mcp_1"), rt.ItemDone(whole))
        used = [one.fact for one in outputs if isinstance(one, a.Note) and isinstance(one.fact, ToolUsed)]
        assert [(fact.name, fact.outcome) for fact in used] == [("till_stock", ToolOutcome.ANSWERED)]

    def test_a_call_that_was_written_before_and_is_refused_has_not_run(self) -> None:
        """It is over at once: nobody says later that it may still take effect."""
        book, item_id, told = self.written(), Id(), json.dumps({"error": "not today"})
        assert (
            book
            >> McpDecided("mcpr_1", is_given=False, reason="not today")
            << (
                decides(item_id, approve=False, reason="not today"),
                *ended(told, 0, ToolOutcome.REFUSED),
                v.ask(),
            )
        )

    def test_what_was_not_allowed_yet_has_not_run_when_its_session_is_lost(self) -> None:
        outputs = self.written().rig.feed(v.error("session_expired"))
        used = [one.fact for one in outputs if isinstance(one, a.Note) and isinstance(one.fact, ToolUsed)]
        assert [(fact.name, fact.outcome) for fact in used] == [("till_stock", ToolOutcome.REFUSED)]

    def test_of_two_calls_that_are_the_same_one_was_not_allowed_yet(self) -> None:
        """The other one may have run: the next session must not believe that neither has."""
        book = v.answering(v.greeted())
        book.rig.feed(*begins("answer"), request(), McpDecided("mcpr_1", is_given=True))
        book.rig.feed(*begins("answer", "mcp_2"), request("mcpr_2"))
        outputs = book.rig.feed(v.error("session_expired"))
        used = [one.fact for one in outputs if isinstance(one, a.Note) and isinstance(one.fact, ToolUsed)]
        outcomes = [fact.outcome for fact in used if fact.name == "till_stock"]
        assert len(outcomes) == 2
        assert set(outcomes) == {ToolOutcome.CANCELLED, ToolOutcome.REFUSED}

    def test_a_call_may_be_written_behind_its_approval(self) -> None:
        """It has begun, so nobody asks for it; one answer is asked for behind it."""
        book = v.answering(v.greeted())
        book.rig.feed(request(), McpDecided("mcpr_1", is_given=True))
        assert book >> begins("answer") << started() >> v.done("answer")
        whole = rt.ItemDone(call(output="12", arguments=ASKED))
        assert book >> after(0.2, whole) << (*ended("12", 200), v.ask())
        assert book >> v.answers("second", "it", 100) << AudioToPhone(100)
        assert v.rests(book)

    def test_a_call_that_is_written_behind_its_refusal_does_not_run(self) -> None:
        book = v.answering(v.greeted())
        book.rig.feed(request(), McpDecided("mcpr_1", is_given=False, reason="not today"))
        assert book.rig.feed(*begins("answer")) == []

    def test_what_is_refused_is_spoken_about(self) -> None:
        book, item_id = self.asked(), Id()
        assert (
            book
            >> McpDecided("mcpr_1", is_given=False, reason="not today")
            << (decides(item_id, approve=False, reason="not today"), v.ask())
            >> McpDecided("mcpr_1", is_given=True)
        )

    def test_an_approved_one_that_does_not_begin_is_asked_for(self) -> None:
        """No document says whether it begins by itself."""
        book = self.asked()
        assert book >> McpDecided("mcpr_1", is_given=True) << decides(Id(), approve=True)
        assert book >> deadline(Timer.MCP) << v.ask()

    @pytest.mark.parametrize("is_written", [False, True])
    def test_what_nobody_decides_is_refused(self, *, is_written: bool) -> None:
        """And nothing else is said of it: a call that was written before has not run."""
        book = self.written() if is_written else self.asked()
        outputs = [
            output
            for _, _, found in book.rig.wakes(book.rig.seconds + LIMITS.tool_timeout_s + 0.1)
            for output in found
        ]
        told = [
            output.command.item
            for output in outputs
            if isinstance(output, a.SendToModel) and isinstance(output.command, commands.CreateItem)
        ]
        assert [item.approve for item in told if isinstance(item, commands.McpApproval)] == [False]
        assert len(told) == 1
        used = [one.fact for one in outputs if isinstance(one, a.Note) and isinstance(one.fact, ToolUsed)]
        assert [fact.outcome for fact in used] == [ToolOutcome.REFUSED] * is_written

    def test_where_nobody_can_decide_the_caller_does_not_wait(self) -> None:
        """The agent whose server it is has handed the caller over meanwhile."""
        book = self.asked()
        book.rig.feed(ToolFinished("mcpr_1", "mcp_approval", "{}", 0, outcome=ToolOutcome.REFUSED))
        began_at, reason = book.rig.seconds, "nobody has decided in time"
        assert book >> deadline(Timer.MCP) << (decides(Id(), approve=False, reason=reason), v.ask())
        assert book.rig.seconds - began_at < 1

    @pytest.mark.parametrize(
        ("count", "size", "name"),
        [(LIMITS.tool_calls_per_response_max + 1, 2, 1), (1, 9000, 1), (1, 2, 65)],
    )
    def test_too_much_is_refused_at_once(self, count: int, size: int, name: int) -> None:
        """Without asking anybody."""
        book = v.answering(v.greeted())
        outputs = []
        for number in range(count):
            item = rt.Item(f"mcpr_{number}", "mcp_approval_request", name="n" * name, arguments="x" * size)
            outputs += book.rig.feed(rt.OutputItemDone(item, "answer"))
        refused = [output for output in outputs if isinstance(output, a.SendToModel)]
        assert len(refused) == 1


def test_a_list_that_fails_is_told() -> None:
    book = v.greeted()
    listed = rt.ItemAdded(rt.Item("mcpl_1", "mcp_list_tools", server_label="till"))
    fields = (("server", "till"),)
    assert (
        book
        >> listed
        >> rt.McpListFailed("mcpl_1")
        << a.Note(Noted("mcp_tools_not_listed", fields, is_warning=True))
    )


def test_what_a_peer_makes_up_is_bounded() -> None:
    """Items that nobody ever hears of again."""
    book = v.answering(v.greeted())
    for number in range(1000):
        book.rig.feed(rt.OutputItemAdded("answer", call(f"mcp_{number}")))
        book.rig.feed(rt.ItemAdded(rt.Item(f"mcpl_{number}", "mcp_list_tools", server_label="x" * 5000)))
    used = 0
    for number in range(1000):
        outputs = book.rig.feed(rt.McpArgumentsDone(f"mcp_{number}", ASKED))
        outputs += book.rig.feed(rt.OutputItemDone(call(f"mcp_{number}", output="12"), "answer"))
        used += sum(isinstance(one, a.Note) and isinstance(one.fact, ToolUsed) for one in outputs)
    assert used == KNOWN_MAX


def test_more_at_once_than_a_response_may_ask_for_are_not_followed() -> None:
    book = v.answering(v.greeted())
    outputs = [book.rig.feed(*begins("answer", f"mcp_{number}")) for number in range(50)]
    assert [bool(found) for found in outputs].count(True) == LIMITS.tool_calls_per_response_max
