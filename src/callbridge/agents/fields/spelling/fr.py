"""French."""

from __future__ import annotations

from typing import Final

from callbridge.agents.fields.spelling.tongue import Tongue, letters_of

FRENCH: Final = Tongue(
    letters=letters_of(
        "Anatole Berthe Célestin Désiré Eugène François Gaston Henri Irma Joseph Kléber Louis Marcel Nicolas "
        "Oscar Pierre Quintal Raoul Suzanne Thérèse Ursule Victor William Xavier Yvonne Zoé"
    ),
    as_in="{letter} comme {word}",
    means=("comme", "comme dans"),
    letter_names={"double v": "W", "double vé": "W", "i grec": "Y"},
    doubles=("deux", "double"),
    accents={
        "\u0300": "accent grave",
        "\u0301": "accent aigu",
        "\u0302": "accent circonflexe",
        "\u0303": "tilde",
        "\u0308": "tréma",
        "\u030a": "rond en chef",
        "\u030c": "caron",
        "\u0327": "cédille",
    },
    signs={
        "@": ("arobase", "arobas", "at"),
        ".": ("point",),
        "_": ("tiret bas", "tiret du bas", "underscore"),
        "-": ("tiret", "trait d'union"),
        "+": ("plus",),
    },
    extension="poste",
    yes=("oui", "ouais"),
    no=("non",),
    weekdays=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    months=(
        *("janvier", "février", "mars", "avril", "mai", "juin", "juillet"),
        *("août", "septembre", "octobre", "novembre", "décembre"),
    ),
    day="{weekday} {day} {month}",
    day_of_year="{weekday} {day} {month} {year}",
    birth_day="{day} {month} {year}",
    first_day="1er",
    hour="{hour} h",
    minute="{hour} h {minute}",
    moment="{day} à {time}",
    address=(("house_number", "street"), ("addition",), ("postal_code", "city"), ("state",), ("country",)),
)
