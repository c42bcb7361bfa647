"""E-mail addresses: written, said and spelled."""

from __future__ import annotations

import pytest

from callbridge.fields import EmailAddress
from field_reading import read, read_back, refused


@pytest.mark.parametrize(
    ("language", "said", "address"),
    [
        ("en", "sam@example.com", "sam@example.com"),
        ("en", "Sam.Smith+x@Example.COM", "sam.smith+x@example.com"),
        ("en", "<mailto:sam@example.com>.", "sam@example.com"),
        ("en", "Sam at example dot com", "sam@example.com"),
        ("en", "sam underscore smith@example.com", "sam_smith@example.com"),
        ("en", "s a m @ example.com", "sam@example.com"),
        ("en", "S as in Samuel, A, double M at g mail dot com", "samm@gmail.com"),
        ("en", "sam [at] example [dot] co [dot] uk", "sam@example.co.uk"),
        ("en", "sam 1 2 hyphen x at example dot com", "sam12-x@example.com"),
        ("en", "at.dot@example.com", "at.dot@example.com"),
        ("en", "s@müller.de", "s@müller.de"),
        ("de", "sam Unterstrich a ät web Punkt de", "sam_a@web.de"),
        ("de", "sam at example dot com", "sam@example.com"),
        ("es", "ana guion bajo b arroba ejemplo punto es", "ana_b@ejemplo.es"),
        ("fr", "ana trait d'union b arobase orange point fr", "ana-b@orange.fr"),
        ("ja", "samアットマークexampleドットco ドット jp", "sam@example.co.jp"),
    ],
)
def test_an_address_is_understood(language: str, said: str, address: str) -> None:
    assert read(EmailAddress, said, language=language) == address


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("sam", "must have one @"),
        ("a at b at c dot com", "must have one @"),
        ("sam@", "something after the @"),
        ("sam@localhost", "should have a period"),
        ("sam smith at example dot com", "'sam smith' has a blank in it"),
        ("sam..smith@example.com", "two periods"),
        ("jörg@example.com", "'ö'"),
        (f"{'a' * 65}@example.com", "too long"),
        ("a" * 501, "501 characters"),
        (True, "must be a text"),
    ],
)
def test_what_is_no_address_is_refused(said: object, words: str) -> None:
    assert words in refused(EmailAddress, said)


@pytest.mark.parametrize(
    ("language", "address", "words"),
    [
        ("en", "sam@gmail.com", "S as in Samuel, A as in Adam, M as in Mary, at gmail dot com"),
        ("en", "s_1@exa.co.uk", "S as in Samuel, underscore, 1, at exa, E, X, A, dot co dot uk"),
        ("de", "s-m@web.de", "S wie Salzwedel, Bindestrich, M wie München, ät web Punkt de"),
        ("es", "s.m@gmail.com", "S de Sábado, punto, M de Madrid, arroba gmail punto com"),
        ("fr", "s+m@orange.fr", "S comme Suzanne, plus, M comme Marcel, arobase orange point fr"),
        ("ja", "s@docomo.ne.jp", "SamuelのS, アットマーク docomo ドット ne ドット jp"),
        ("en", "a!@gmail.com", "a!, at gmail dot com"),
    ],
)
def test_an_address_is_spelled_back(language: str, address: str, words: str) -> None:
    assert read_back(EmailAddress, address, language=language) == words
