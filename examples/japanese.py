"""An agent whose callers speak Japanese: a soba restaurant that says when it is open and takes reservations.

`CALLBRIDGE_LANGUAGE=ja CALLBRIDGE_AGENT=examples.japanese:agent callbridge serve`. The one setting is the
whole line's: what writes down the caller's words is told of it, the agent is told to speak polite Japanese,
and the clip, the voicemail prompt and the apology are Japanese, too. Instructions may be in any language.
"""

from __future__ import annotations

from typing import Literal

from callbridge import Agent, ToolRefused

Day = Literal["月曜日", "火曜日", "水曜日", "木曜日", "金曜日", "土曜日", "日曜日"]

SEATS = 20
"""A party may be as large as the restaurant."""

agent = Agent(
    instructions=(
        "あなたは蕎麦屋「みなと庵」の電話係です。営業時間の案内と、席の予約を承ります。"
        "予約では、お名前、日にち、時刻、人数を一つずつ伺い、"
        "復唱して確認してから book_table を使ってください。"
        "時刻や人数は「午後六時半」「四名様」のように、読み上げやすい言い方で伝えてください。"
    ),
    greeting="お電話ありがとうございます。そば処、みなと庵でございます。",
    time_zone="Asia/Tokyo",
)


@agent.tool
async def opening_hours(day: Day) -> str:
    """その曜日の営業時間を調べます。

    Args:
        day: お客様がお尋ねの曜日。
    """
    return "定休日" if day == "水曜日" else "午前十一時半から午後八時半まで"


@agent.tool(irreversible=True)
async def book_table(name: str, day: str, time: str, guests: int) -> str:
    """席を予約します。復唱して、お客様の確認を得てから使います。

    Args:
        name: ご予約のお名前。
        day: 日にち。
        time: 時刻。
        guests: 人数。
    """
    if not 1 <= guests <= SEATS:
        raise ToolRefused(f"お席は{SEATS}名様までです。人数をもう一度伺ってください。")
    return f"{name}様、{day}{time}、{guests}名様でご予約を承りました。"
