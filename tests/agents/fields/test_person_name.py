"""Names: as they are written, out of what was said and spelled."""

from __future__ import annotations

import pytest

from callbridge.fields import PersonName
from field_reading import read, read_back, refused


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Anna Miller",
            "René D'Été-Núñez",
            "Jürgen von der Weiß",
            "田中 花子",
            "ジョン・スミス",
            "Łukasz",
            "Ng",
        ),
        *("J. R. R. Tolkien", "J R R Tolkien", "Miller, J R", "Sammy Davis, Jr.", "Amy for Short", "O’Neil"),  # noqa: RUF001 - so
    ],
)
def test_a_name_as_it_is_written_stays(name: str) -> None:
    assert read(PersonName, name) == name


@pytest.mark.parametrize(
    ("language", "said", "name"),
    [
        ("en", "J as in John, O, H, N", "John"),
        ("en", "J-o-h-n Smith", "John Smith"),
        ("en", "S A M", "Sam"),
        ("en", "Samantha, S A M A N T H A", "Samantha"),
        ("en", "Samanta: S A M A N T H A", "Samantha"),
        ("en", "John, S M I T H", "John Smith"),
        ("en", "Ann A N N", "Ann"),
        ("en", "M as in Mike, I, double L, E, R", "Miller"),
        ("en", "S like Samuel, A for Adam, F as in Photo", "Saf"),
        ("en", "double u o o", "Woo"),
        ("en", "a for Anna S as in Samuel,", "As"),
        ("en", "O'Neil, O, ', N, E, I, L", "O'Neil"),
        ("", "J as in John, O, H, N", "John"),
        ("de-AT", "S wie Siegfried, A wie Anton, M", "Sam"),
        ("de", "Müller, M Ü doppel L E R", "Müller"),
        ("de", "J as in John, O, H, N", "John"),
        ("es", "J de José, U, A, N", "Juan"),
        ("es", "uve doble, A, L, T", "Walt"),
        ("fr", "W comme William E deux L S", "Wells"),
        ("fr", "R comme Raoul, É, M, I", "Rémi"),
        ("ja", "サミュエルのS、アンナのA、M", "Sam"),
        ("xx", "J as in John, O, H, N", "John"),
    ],
)
def test_a_spelled_name_is_put_together(language: str, said: str, name: str) -> None:
    assert read(PersonName, said, language=language) == name


def test_common_words_mean_letters_only_before_a_word_with_that_letter() -> None:
    assert read(PersonName, "Juan Y de la Cruz", language="es") == "Juan Y de la Cruz"
    assert read(PersonName, "Otto V von Berg", language="de") == "Otto V von Berg"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", "empty"),
        ("unknown", "ask the caller for theirs"),
        ("N/A", "ask the caller for theirs"),
        ("Ben 2", "has no 2 in it"),
        ("sam@example.com", "has no @ in it"),
        ("Anna <b>", "has no < or >"),
        ("'-.", "has letters"),
        ("Anna " * 30, "149 characters"),
        ("Anna\u202eMiller", "cannot be said"),
        (["Anna"], "must be a text"),
    ],
)
def test_what_is_no_name_is_refused(said: object, words: str) -> None:
    assert words in refused(PersonName, said)


@pytest.mark.parametrize(
    ("language", "name", "words"),
    [
        ("en", "Sam Ng", "Sam Ng: S as in Samuel, A as in Adam, M as in Mary; N as in Nora, G as in George"),
        ("en", "Zoë", "Zoë: Z as in Zebra, O as in Oliver, E with two dots as in Edward"),
        ("de", "Jörg", "Jörg: J wie Jena, Ö wie Umlaut Offenbach, R wie Rostock, G wie Goslar"),
        ("de", "Weiß", "Weiß: W wie Wuppertal, E wie Essen, I wie Ingelheim, ß wie Eszett"),
        ("es", "Iñá", "Iñá: I de Inés, Ñ de Ñandú, A con tilde de Antonio"),
        ("fr", "Rémi", "Rémi: R comme Raoul, E accent aigu comme Eugène, M comme Marcel, I comme Irma"),
        ("ja", "Sam", "Sam: SamuelのS, AdamのA, MaryのM"),
        ("ja", "田中 花子", "田中 花子"),
        ("en", "Łu", "Łu"),
    ],
)
def test_a_name_is_spelled_back(language: str, name: str, words: str) -> None:
    assert read_back(PersonName, name, language=language) == words
