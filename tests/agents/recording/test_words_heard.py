"""Whether words that had to be said were said."""

from __future__ import annotations

import pytest

from callbridge.agents.recording.words_heard import is_said_in

WANTED = "This call is recorded. If you do not want that, please say so."
JAPANESE = "この通話は録音されます。"


@pytest.mark.parametrize(
    ("wanted", "heard", "is_said"),
    [
        (WANTED, f"Good morning! {WANTED} How can I help?", True),
        (WANTED, "this call is recorded - if you don't want that please say so", True),
        (WANTED, "This call is recorded.", False),
        (WANTED, "Good morning, Harbour Bakery, this is Anna speaking. How can I help you today?", False),
        (WANTED, "", False),
        (JAPANESE, "もしもし、この通話は録音されます", True),
        (JAPANESE, "もしもし、ご用件は何でしょうか", False),
    ],
)
def test_nearly_all_of_it_must_be_heard(wanted: str, heard: str, *, is_said: bool) -> None:
    assert is_said_in(wanted, heard) is is_said
