"""German. The words for letters are those of DIN 5009 (2022); those before it are understood all the same."""

from __future__ import annotations

from typing import Final

from callbridge.agents.fields.spelling.tongue import Tongue, letters_of

GERMAN: Final = Tongue(
    letters=letters_of(
        "Aachen Berlin Chemnitz Düsseldorf Essen Frankfurt Goslar Hamburg Ingelheim Jena Köln Leipzig "
        "München Nürnberg Offenbach Potsdam Quickborn Rostock Salzwedel Tübingen Unna Völklingen "
        "Wuppertal Xanten Ypsilon Zwickau"
    )
    | {"Ä": "Umlaut Aachen", "Ö": "Umlaut Offenbach", "Ü": "Umlaut Unna", "ß": "Eszett"},
    as_in="{letter} wie {word}",
    means=("wie", "wie in"),
    letter_names={"scharfes s": "ß", "eszett": "ß", "es zett": "ß"},
    doubles=("doppel", "zweimal"),
    accents={
        "\u0300": "mit Gravis",
        "\u0301": "mit Akut",
        "\u0302": "mit Zirkumflex",
        "\u0303": "mit Tilde",
        "\u0308": "mit zwei Punkten",
        "\u030a": "mit Ring",
        "\u030c": "mit Hatschek",
        "\u0327": "mit Cedille",
    },
    signs={
        "@": ("ät", "at", "et", "klammeraffe", "at-zeichen"),
        ".": ("Punkt",),
        "_": ("Unterstrich",),
        "-": ("Bindestrich", "minus", "strich"),
        "+": ("plus",),
    },
    extension="Durchwahl",
    yes=("ja", "jawohl"),
    no=("nein", "nee"),
    weekdays=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    months=(
        *("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli"),
        *("August", "September", "Oktober", "November", "Dezember"),
    ),
    day="{weekday}, {day}. {month}",
    day_of_year="{weekday}, {day}. {month} {year}",
    birth_day="{day}. {month} {year}",
    hour="{hour} Uhr",
    minute="{hour} Uhr {minute}",
    moment="{day} um {time}",
    address=(("street", "house_number"), ("addition",), ("postal_code", "city"), ("state",), ("country",)),
)
