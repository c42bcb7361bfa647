"""Spanish."""

from __future__ import annotations

from typing import Final

from callbridge.agents.fields.spelling.tongue import Tongue, letters_of

SPANISH: Final = Tongue(
    letters=letters_of(
        "Antonio Barcelona Carmen Dolores Enrique Francia Gerona Historia Inés José Kilo Lorenzo Madrid "
        "Navarra Ñandú Oviedo París Querido Ramón Sábado Toledo Ulises Valencia Washington "
        "Xilófono Yegua Zaragoza"
    ),
    as_in="{letter} de {word}",
    means=("como", "como en"),
    may_mean=("de",),
    letter_names={"doble u": "W", "doble v": "W", "doble uve": "W", "uve doble": "W", "i griega": "Y"},
    doubles=("doble",),
    accents={
        "\u0300": "con acento grave",
        "\u0301": "con tilde",
        "\u0302": "con circunflejo",
        "\u0303": "con virgulilla",
        "\u0308": "con diéresis",
        "\u030a": "con anillo",
        "\u030c": "con carón",
        "\u0327": "con cedilla",
    },
    signs={
        "@": ("arroba",),
        ".": ("punto",),
        "_": ("guion bajo", "guión bajo", "barra baja"),
        "-": ("guion", "guión", "menos"),
        "+": ("más", "mas"),
    },
    extension="extensión",
    yes=("sí", "si"),
    no=("no",),
    weekdays=("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    months=(
        *("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio"),
        *("agosto", "septiembre", "octubre", "noviembre", "diciembre"),
    ),
    day="{weekday} {day} de {month}",
    day_of_year="{weekday} {day} de {month} de {year}",
    birth_day="{day} de {month} de {year}",
    hour="{hour}:00 horas",
    minute="{hour}:{minute} horas",
    moment="{day}, {time}",
    address=(("street", "house_number"), ("addition",), ("postal_code", "city"), ("state",), ("country",)),
)
