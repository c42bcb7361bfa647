"""A call with a bit of everything, for screens and exports."""

from __future__ import annotations

import msgspec

from callbridge.records.analysis.promises import Checked, Verdict
from callbridge.records.analysis.result import AnalysisResult
from callbridge.records.story import (
    CallStory,
    Cost,
    CostLine,
    Happening,
    Latency,
    Part,
    Percentiles,
    Span,
    Spoken,
    StreamPart,
    ToolUse,
    Turn,
    UsageTotals,
)

SID = "CA" + "0123456789abcdef" * 2

_PARTS = (
    *(Part("end of speech", 500, "setting"), Part("response created", 31, "model")),
    *(Part("first delta", 212, "model"), Part("sent", 2, "ours"), Part("heard", 47, "phone")),
)

RICH = CallStory(
    call_sid=SID,
    state="ended",
    began_at=1_795_000_000.0,
    ended_at=1_795_000_041.5,
    caller="+********00",
    caller_key="k1",
    called="+********99",
    agent="clinic",
    end_reason="agent_hangup",
    duration_ms=41_500,
    streams=(
        StreamPart(
            "MZ1", 200, "gpt-realtime-2.1", 41_400, "agent_hangup", first_audio_ms=420, process="web-1-0f"
        ),
    ),
    turns=(
        Turn(
            1,
            620,
            agent=(
                Spoken(
                    "item_1", "Good day, the clinic.", "Good day, the clinic.", 2100, 2100, Span(620, 2720)
                ),
            ),
            heard="Good day, the clinic.",
        ),
        Turn(
            2,
            4000,
            caller="I need to see a doctor on Monday, and my \x1b[31mbill\x1b[0m is wrong.",
            spans=(Span(4000, 6100), Span(6600, 7300)),
            tools=(
                ToolUse("call_1", "find_slot", 7900, '{"day":"Monday"}', '{"at":"09:30"}', "answered", 320),
                ToolUse("call_2", "open_bill", 8300, "", "", "timed_out", 5000),
            ),
            agent=(
                Spoken(
                    "item_2",
                    "Monday at half past nine is free. Shall I book it for you, or is another day better?",
                    "Monday at half past nine is free. Shall …",
                    5200,
                    2400,
                    Span(8900, 11_300),
                    True,
                ),
                Spoken("item_3", "There is one more thing.", "", 1500, 0, None, True),
            ),
            heard="Monday at half past nine is free. Shall …",
            was_interrupted=True,
            barge_in_ms=180,
            latency=Latency(792, _PARTS, 2, 243),
        ),
        Turn(
            3,
            11_100,
            spans=(Span(11_100, 12_000),),
            keys="12#",
            agent=(Spoken("item_4", "", "", 1800, 1800, Span(12_900, 14_700)),),
        ),
    ),
    happenings=(
        Happening(3000, "step_entered", "Step reason", {"because": "the first one"}),
        Happening(20_000, "transfer_ended", "Transfer to billing: no answer", {"waited_ms": 20_000}),
    ),
    captured={"Booking": '{"day":"Monday","name":"Sam"}'},
    interruptions=1,
    response=Percentiles(1, 792, 792, 792, 792, 792),
    usage=UsageTotals(audio_in=900, audio_out=800, responses=3, line_minutes=1, stream_minutes=1),
    cost=Cost(
        microdollars=45_200,
        lines=(
            CostLine("audio in", 900, "tokens", 28_800),
            CostLine("line", 1, "minutes", 8_500),
            CostLine("stream", 1, "minutes", 4_000),
        ),
        prices_as_of="2026-11-01",
        unpriced=("gpt-new",),
        unheard_microdollars=1_200,
        silent_microdollars=300,
    ),
    recordings=("2026/11/28/CA01.wav",),
    analysis=msgspec.json.encode(
        AnalysisResult(
            model="gpt-5-mini",
            summary="The caller wants to see a doctor on Monday, and says that a bill is wrong.",
            intent="see a doctor",
            sentiment=-0.25,
            lead_score=40,
            outcome="partly_resolved",
            follow_ups=("Look at the bill.",),
            promises=(Checked("I book it", "book Monday", 2, Verdict.NOT_DONE, "book"),),
        )
    ).decode(),
)
