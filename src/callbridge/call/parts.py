"""The parts of one call, put together once. No decision stands here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.call.bad_messages import BadMessages
from callbridge.call.bill import Bill
from callbridge.call.ear.keys_out import PressedKeys
from callbridge.call.ear.line import Line
from callbridge.call.ear.playout import Playout
from callbridge.call.ear.silences import WaitingSound
from callbridge.call.endings import Endings
from callbridge.call.events import Leg
from callbridge.call.floor.asking import Asking
from callbridge.call.floor.floor import Floor
from callbridge.call.floor.hearing import Hearing
from callbridge.call.floor.ladder import Ladder
from callbridge.call.floor.news import News
from callbridge.call.floor.stopping import Stopping
from callbridge.call.floor.succession import Succession
from callbridge.call.linger import Linger
from callbridge.call.mcp import McpCalls
from callbridge.call.memory import Memory
from callbridge.call.on_hold import OnHold
from callbridge.call.sessions.sessions import Sessions
from callbridge.call.tools import ToolCalls
from callbridge.call.transcript import Transcript

if TYPE_CHECKING:
    from callbridge.call.ear.gate import Gate
    from callbridge.call.ear.tally import Tally
    from callbridge.call.events import StreamAdmitted
    from callbridge.call.outbox import Outbox


class Parts:
    """What a call is made of. The arguments are those of `CallMachine`."""

    def __init__(
        self,
        admitted: StreamAdmitted,
        gate: Gate,
        tally: Tally,
        out: Outbox,
        spread: float,
    ) -> None:
        plan = admitted.plan
        self.limits = limits = plan.limits
        self.gate, self.tally = gate, tally
        self.out, now = out, out.now
        out.goes_on(admitted.age_s)
        self.playout = playout = Playout(limits)
        self.transcript = transcript = Transcript(limits, out.call_began_at)
        self.memory = Memory(limits, list(admitted.memory))
        transcript.goes_on(admitted.memory, now)
        self.sessions = Sessions(
            plan,
            spread,
            is_continued=admitted.is_continued,
            is_back=admitted.is_back,
            gate=gate,
            tally=tally,
            memory=self.memory,
            transcript=transcript,
            out=out,
        )
        self.floor = floor = Floor(
            self.sessions, gate=gate, tally=tally, playout=playout, transcript=transcript, out=out
        )
        self.tools = ToolCalls(limits, self.memory, transcript, out)
        self.asking = Asking(floor, self.sessions, self.tools, out)
        self.news = News(self.sessions, floor.debts, self.memory, transcript, out)
        self.ladder = Ladder(
            floor,
            self.sessions,
            self.asking,
            self.tools,
            gate=gate,
            tally=tally,
            playout=playout,
            transcript=transcript,
            out=out,
        )
        self.succession = Succession(floor, self.ladder, self.asking, self.news, gate, playout, transcript)
        self.mcp = McpCalls(limits, self.tools, floor.debts, self.asking, out)
        self.stopping = Stopping(limits, floor, self.news, gate, playout, transcript, out)
        self.waiting_sound = WaitingSound(limits)
        self.pressed_keys = PressedKeys(playout, out)
        self.hearing = Hearing(floor, self.asking, self.sessions, tally=tally, playout=playout, out=out)
        silence_s = plan.silence_ms / 1000 or limits.meaning_wait_s  # Detection by meaning waits for none.
        self.line = Line(limits, gate, tally, silence_s, now)
        self.endings = Endings(limits, floor, self.asking, self.ladder, playout, out, admitted.age_s)
        self.on_hold = OnHold(floor, self.asking, self.sessions, self.news, self.endings, playout, out)
        self.bill = Bill(out, admitted.age_s, is_continued=admitted.is_continued)
        self.linger = Linger(limits.linger_s, transcript, self.tools, out)
        self.bad_messages = {leg: BadMessages() for leg in Leg} | {Leg.PHONE: tally.bad_from_phone}
        self.hand_over_by: float | None = None
        """When the call is handed over at the latest; None while that is not asked for."""
