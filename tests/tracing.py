"""What one event enters inside the core: counts functions, files and changes of file.

    python tests/tracing.py

prints the functions of one barge-in in the order in which they are entered. Counted are those that are
defined in `callbridge.call`, between the call of `handle` and its return; not constructors, `deadline`, or
what Python makes of a comprehension.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callbridge import call
from vocabulary import answering, audio, greeted, item, speech_started, words

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

CORE = Path(call.__file__).parent


@dataclass
class Trace:
    """What was entered, in order."""

    entered: list[tuple[str, str]] = field(default_factory=list)
    """File, below the core, and function."""
    path: list[str] = field(default_factory=list)
    """The file in which the work is, after each call and each return."""

    @property
    def functions(self) -> int:
        """Different ones."""
        return len(set(self.entered))

    @property
    def files(self) -> int:
        """Different ones."""
        return len({file for file, _ in self.entered})

    @property
    def changes_of_file(self) -> int:
        """How often a reader who follows it goes to another file, there and back."""
        return len(list(groupby(self.path))) - 1

    def __str__(self) -> str:
        lines = [f"{file:28} {function}" for file, function in self.entered]
        total = f"{self.functions} functions, {self.files} files, {self.changes_of_file} changes of file"
        return "\n".join([*lines, total])


def trace(work: Callable[[], Any]) -> Trace:
    """What `work` enters inside the core."""
    found = Trace()
    stack: list[str] = []

    def watch(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event not in {"call", "return"} or code.co_name.startswith(("<", "__")):
            return
        file = Path(code.co_filename)
        if not file.is_relative_to(CORE):
            return
        if event == "call":
            stack.append(str(file.relative_to(CORE)))
            found.entered.append((stack[-1], code.co_qualname))
        else:
            stack.pop()
        if stack:
            found.path.append(stack[-1])

    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def barge_in() -> Trace:
    """A caller who speaks into an answer of which one item is heard in part."""
    rig = answering(greeted()).rig
    rig.feed(item("answer", "long"), audio("answer", "long", 3000), words("answer", "long", "A long answer."))
    rig.now += 1
    rig.feed()
    event = speech_started("wait")
    return trace(lambda: rig.handle(event))


if __name__ == "__main__":
    print(barge_in())  # noqa: T201  # A program for a person.
