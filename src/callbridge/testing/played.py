"""A call that was played: its data, and what a test does with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from callbridge.testing.call_data import CallData, Complaint, ComplaintKind
from callbridge.testing.expecting.expectations import Expectations
from callbridge.testing.saving import save_call
from callbridge.testing.telling import timeline_of

if TYPE_CHECKING:
    from pathlib import Path

    from callbridge.testing.persona.conversation import Conversation
    from callbridge.testing.persona.judge import Judge, Judgement

__all__ = ["Complaint", "ComplaintKind", "PlayedCall"]


@dataclass(frozen=True, repr=False)
class PlayedCall(CallData):
    """A finished call, as a test gets it."""

    @cached_property
    def expect(self) -> Expectations:
        """What a test expects of it: `call.expect.tool("opening_hours", day="Sunday").once()`."""
        return Expectations(self)

    def timeline(self) -> str:
        """The call as text, line by line with its times: who was heard, what was cut, tools, complaints."""
        return timeline_of(self)

    def save(self, folder: Path) -> Path:
        """Leaves the call in a folder: a stereo WAV (caller left, heard right), a JSON and its timeline.

        Returns:
            The folder, which is made if it is not there.
        """
        return save_call(self, folder)

    def conversation(self) -> Conversation:
        """What was said, with what judges say of it: `.save(path)` keeps it as `NAME.conversation.json`."""
        from callbridge.testing.persona.told import conversation_of  # noqa: PLC0415 - of few tests

        return conversation_of(self)

    def judge(self, judge: Judge) -> Judgement:
        """What a text model says of the call, criterion by criterion. It blocks for some seconds.

        Raises:
            TextModelMissing: there is none to be asked. A runner skips the test then.
            TextModelFault: it says nothing that can be used, or would cost too much.
        """
        from callbridge.testing.persona.judging import judge_call  # noqa: PLC0415 - of few tests

        return judge_call(judge, self)
