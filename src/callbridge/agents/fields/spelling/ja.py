"""Japanese. Latin letters have the English words; names in kana and kanji are read back as they are."""

from __future__ import annotations

from typing import Final

from callbridge.agents.fields.spelling.en import ENGLISH
from callbridge.agents.fields.spelling.tongue import Tongue

JAPANESE: Final = Tongue(
    letters=ENGLISH.letters,
    as_in="{word}の{letter}",
    means=(),
    word_first=("の",),
    doubles=("ダブル",),
    accents=ENGLISH.accents,
    signs={
        "@": ("アットマーク", "アット", "アト"),
        ".": ("ドット", "テン", "点"),
        "_": ("アンダーバー", "アンダースコア"),
        "-": ("ハイフン", "マイナス"),
        "+": ("プラス",),
    },
    extension="内線",
    yes=("はい", "ええ", "うん"),
    no=("いいえ", "いや"),
    weekdays=("月曜日", "火曜日", "水曜日", "木曜日", "金曜日", "土曜日", "日曜日"),
    months=tuple(f"{month}月" for month in range(1, 13)),
    day="{month}{day}日、{weekday}",
    day_of_year="{year}年{month}{day}日、{weekday}",
    birth_day="{year}年{month}{day}日",
    hour="{hour}時",
    minute="{hour}時{minute}分",
    moment="{day}、{time}",
    address=(
        ("postal_code",),
        ("country",),
        ("state", "city", "street", "house_number"),
        ("addition",),
    ),
)
