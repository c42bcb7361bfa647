"""A simulated call on a screen: what happens while it happens, and a summary at its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from callbridge.cli.account_report import request_report
from callbridge.cli.around_call import Watchers
from callbridge.simulators.phone import events

if TYPE_CHECKING:
    from rich.console import Console

    from callbridge.cli.account_report import AccountReport
    from callbridge.cli.around_call import Around, WholeReport
    from callbridge.simulators.account import Seen
    from callbridge.simulators.phone import CallReport, CarrierWarning, PhoneEvent
    from callbridge.simulators.phone.people_report import HeardByPerson, PersonReport


class CallDisplay:
    """Shows the call while it happens, and sums it up."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._zero = 0.0
        self._has_people = False
        self._shows_account = False

    @property
    def watchers(self) -> Watchers:
        """What shows it."""
        return Watchers(
            on_event=self.show,
            on_person=self.show_person,
            on_request=self.show_request,
            on_account=self.show_account,
        )

    def introduce(self, around: Around, pace: float) -> None:
        """Who is there besides the caller, and how fast time goes by for them."""
        self._has_people = bool(around.people)
        # Who only calls needs no account, and is not told of it.
        self._shows_account = self._has_people or around.port is not None
        if not self._has_people:
            return
        self._print(f"[bold]people[/]   {escape(', '.join(around.people))}")
        if pace < 1:
            self._print(
                f"[dim]         What is rung, said and talked outside of streams takes {pace:g} of its time: "
                f"20 s of ringing are {20 * pace:g} s here. The report counts it in full.[/]"
            )

    def show_account(self, base_url: str) -> None:
        """Where the account is; the setting stands on a line of its own, to be copied."""
        if self._shows_account:
            self._print("[bold]account[/]  served during this call. The service finds it by")
            self._print(f"CALLBRIDGE_TWILIO_API_URL={base_url}")

    def show(self, event: PhoneEvent) -> None:
        """Something on the caller's line."""
        if isinstance(event, events.CallPlaced):
            self._zero = event.at
        self._line(event.at, _in_words(event))

    def show_person(self, address: str, event: PhoneEvent) -> None:
        """Something on a person's line."""
        self._line(event.at, f"[magenta]{escape(address)}[/] {_in_words(event)}")

    def show_request(self, seen: Seen) -> None:
        """Something that the service asks the account."""
        style = "blue" if seen.status < 300 else "red"
        words = f"[{style}]account[/] {escape(str(request_report(seen)))}"
        self._line(asyncio.get_running_loop().time(), words)

    def _line(self, at: float, words: str) -> None:
        self._print(f"[dim]{at - self._zero:8.2f} s[/]  {words}")

    def _print(self, words: str) -> None:
        # Not broken at the width of a terminal: addresses are copied, and files are searched by lines.
        self._console.print(words, soft_wrap=True)

    def summarise(self, whole: WholeReport) -> None:
        """What came of all of it."""
        report = whole.call
        self._console.print()
        self._table(_facts(report))
        for person in whole.people:
            self._table(_person_facts(person))
        self._table(_account_facts(whole.account))
        if whole.people and not self._has_people:
            self._print("[dim]Nobody can be rung in this call. Name them: --person ADDRESS=takes[/]")
        for warning in [*report.warnings, *(warning for one in whole.people for warning in one.warnings)]:
            self._warn(warning)
        for minded in whole.account.warnings:
            self._print(f"[red]{minded.code}[/] {escape(minded.detail)}")
        for finding in report.findings:
            self._print(f"[yellow]caller[/] {escape(finding)}")
        if not report.was_agent_heard:
            got = ", ".join(verb.verb for verb in report.verbs) or "nothing"
            self._console.print(
                f"[yellow]caller[/] the agent was never heard; what Twilio was told: {escape(got)}"
            )
        elif whole.is_good:
            self._console.print("[green]Nothing to complain about.[/]")

    def _table(self, facts: list[tuple[str, str]]) -> None:
        if not facts:
            return
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, min_width=len("longest silence"))
        table.add_column(overflow="fold")
        for name, value in facts:
            table.add_row(f"[bold]{name}[/]", escape(value))
        self._console.print(table)

    def _warn(self, warning: CarrierWarning) -> None:
        times = "" if warning.count == 1 else f", {warning.count} times"
        self._console.print(
            f"[red]{warning.code}[/] {escape(warning.meaning)}{times}: "
            f"{escape(warning.detail)}\n      {escape(warning.remedy)}"
        )


def _facts(report: CallReport) -> list[tuple[str, str]]:
    answer = report.webhook_answer_ms
    facts = [
        ("call", f"{report.call_sid}, {report.status} after {report.duration_ms / 1000:.1f} s"),
        ("webhook", "no answer" if answer is None else f"answered in {answer:.0f} ms"),
    ]
    for stream in report.streams:
        code = "" if stream.close_code is None else f" with code {stream.close_code}"
        facts.append(("stream", f"{stream.stream_sid}, ended by {stream.ended_by}{code}"))
        facts.append(("sent", f"{stream.frames_sent} frames of 20 ms"))
        came = f"{stream.media_received_ms} ms of audio in {stream.media_received} messages"
        facts.append(("agent", f"{came}; {stream.heard_ms} ms heard, {stream.cleared_ms} cleared"))
        if stream.first_audio_from_call_ms is not None:
            facts.append(("first heard", f"{stream.first_audio_from_call_ms} ms after dialling"))
        facts.append(("marks", f"{stream.marks_echoed} of {stream.marks_received} echoed"))
        facts += [
            ("interruption", _stopped_in_words(interruption.stop_ms)) for interruption in stream.interruptions
        ]
        facts.append(("longest silence", f"{stream.longest_silence_ms} ms"))
        if stream.keys_heard:
            facts.append(("keys heard", f"{stream.keys_heard}, as tones in the agent's audio"))
    if report.greeting is not None:
        greeting = report.greeting
        facts.append(("greeting", f"{greeting.heard_ms} of {greeting.sent_ms} ms heard"))
    facts += [
        ("dead air", f"{(silence.to_ms - silence.from_ms) / 1000:.1f} s after {silence.after}")
        for silence in report.dead_air()
    ]
    if report.recording:
        facts.append(("recording", report.recording))
    return facts


def _person_facts(person: PersonReport) -> list[tuple[str, str]]:
    rang = f"rang {person.rang_ms / 1000:.1f} s"
    if person.lasted_s is None:
        return [("person", f"{person.address}, {rang}: {person.status}")]
    ended = "" if person.hung_up_by is None else f", ended by {_BY_WHOM[person.hung_up_by]}"
    facts = [("person", f"{person.address}, {rang}, then {person.lasted_s} s{ended}; saw {person.shown}")]
    facts += [("they heard", _heard_in_words(heard)) for heard in person.heard]
    pressed = [verb.detail for verb in person.verbs if verb.verb == "Gather"]
    return facts + [("they pressed", keys.removesuffix(" entered")) for keys in pressed]


_BY_WHOM = {"person": "them", "api": "the service", "exchange": "the other side"}


def _heard_in_words(heard: HeardByPerson) -> str:
    seconds = f"{(heard.to_ms - heard.from_ms) / 1000:.1f} s"
    if heard.what in {"talk", "conference"}:
        return f"{heard.text}, for {seconds}"
    return f"{heard.what} {heard.text}".strip()


def _account_facts(account: AccountReport) -> list[tuple[str, str]]:
    facts = []
    for text in account.texts:
        code = "" if text.error_code is None else f" ({text.error_code})"
        facts.append(("text", f"to {text.to_address}, {text.status}{code}: {text.body}"))
    return facts + [("account", str(request)) for request in account.asked]


def _stopped_in_words(stop_ms: int | None) -> str:
    if stop_ms is None:
        return "the agent talked on to the end"
    return f"the agent fell silent {stop_ms} ms after the caller began to speak"


_REACHED = {"ringing": "rings", "in-progress": "answers"}


def _in_words(event: PhoneEvent) -> str:
    """One line about an event."""
    match event:
        case events.CallPlaced():
            return f"calling {escape(event.to_number)} as {escape(event.from_number)}"
        case events.WebhookAnswered():
            status = event.status or "nothing"
            return f"{escape(event.url)} answered {status} in {event.took_ms:.0f} ms"
        case events.VerbExecuted():
            return f"<{escape(event.verb)}> {escape(event.detail)}"
        case events.Complained():
            return f"[red]{event.code}[/] {escape(event.detail)}"
        case events.PersonReached():
            return _REACHED.get(event.status, f"is over: {event.status}")
        case events.CallEnded():
            return f"call ended: {event.status}"
        case _:
            return _stream_in_words(event)


def _stream_in_words(event: events.StreamEvent) -> str:
    """One line about what happens on a stream."""
    match event:
        case events.StreamStarted():
            return f"stream {event.stream_sid} is open"
        case events.AgentAudioStarted():
            return "[cyan]agent is heard[/]"
        case events.AgentAudioStopped():
            return "[cyan]agent is silent[/]"
        case events.CallerSpeaking():
            manner = " [bold]into the agent's words[/]" if event.is_interrupting else ""
            return f"[green]caller speaks[/]{manner}"
        case events.CallerSilent():
            return "[green]caller is silent[/]"
        case events.Cleared():
            return f"bridge cleared {event.discarded_ms} ms of audio"
        case events.KeyPressed():
            return f"caller presses {event.key}"
        case events.StreamEnded():
            code = "" if event.code is None else f", code {event.code}"
            return f"stream ended by {event.by_whom}{code}"
