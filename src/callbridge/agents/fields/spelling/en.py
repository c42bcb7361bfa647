"""English."""

from __future__ import annotations

from typing import Final

from callbridge.agents.fields.spelling.tongue import Tongue, letters_of

ENGLISH: Final = Tongue(
    letters=letters_of(
        "Adam Betty Charlie David Edward Frank George Henry Ida John King Lincoln Mary Nora Oliver Peter "
        "Queen Robert Samuel Thomas Union Victor William X-ray Yellow Zebra"
    ),
    as_in="{letter} as in {word}",
    means=("as in",),
    may_mean=("for", "like", "is for", "as"),
    letter_names={"double u": "W", "double you": "W"},
    doubles=("double",),
    accents={
        "\u0300": "with a grave accent",
        "\u0301": "with an acute accent",
        "\u0302": "with a circumflex",
        "\u0303": "with a tilde",
        "\u0308": "with two dots",
        "\u030a": "with a ring",
        "\u030c": "with a caron",
        "\u0327": "with a cedilla",
    },
    signs={
        "@": ("at", "at sign"),
        ".": ("dot", "period", "point"),
        "_": ("underscore", "under score"),
        "-": ("dash", "hyphen", "minus"),
        "+": ("plus", "plus sign"),
    },
    extension="extension",
    yes=("yes", "yeah", "yep", "true"),
    no=("no", "nope", "false"),
    weekdays=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    months=(
        *("January", "February", "March", "April", "May", "June", "July"),
        *("August", "September", "October", "November", "December"),
    ),
    day="{weekday}, {month} {day}",
    day_of_year="{weekday}, {month} {day}, {year}",
    birth_day="{month} {day}, {year}",
    hour="{hour_12} {half}",
    minute="{hour_12}:{minute} {half}",
    moment="{day} at {time}",
    address=(
        ("house_number", "street"),
        ("addition",),
        ("city",),
        ("state", "postal_code"),
        ("country",),
    ),
)
