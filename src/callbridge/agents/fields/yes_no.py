"""`YesNo`: what a caller has answered to a question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from callbridge.agents.fields.ready import Ready
from callbridge.agents.fields.said import quoted, text_of
from callbridge.agents.fields.spelling.tongues import understood

if TYPE_CHECKING:
    from callbridge.agents.fields.ready import At


class YesNoReady(Ready):
    """Yes or no."""

    description = "true for yes, false for no, as the caller has clearly said it. Ask again if they have not."

    def schema(self) -> dict[str, Any]:
        """A boolean."""
        return {"type": "boolean", "description": self.description}

    def read(self, said: object, at: At) -> bool:
        """The answer, also where it was written as a word."""
        if isinstance(said, bool):
            return said
        word = text_of(said, "the answer").casefold().strip(" .!")
        for tongue in understood(at.language):
            if word in tongue.yes or word in tongue.no:
                return word in tongue.yes
        raise ValueError(
            f"{quoted(word)} is neither yes nor no; ask the caller again, and write true or false"
        )

    def read_back(self, value: Any, at: At) -> str:  # noqa: ARG002 - it is easily heard
        """Nothing: whoever answers a question has heard it."""
        return ""


YesNo: TypeAlias = Annotated[bool, YesNoReady()]
"""Yes or no."""
