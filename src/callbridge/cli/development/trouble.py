"""What keeps `callbridge dev` from going on."""

from __future__ import annotations


class DevTrouble(Exception):  # noqa: N818  # It is no error of ours.
    """It cannot go on. The text says why; `remedy` what to do."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.remedy = remedy
