"""`Recording`: whether the calls of an agent are recorded, and how the caller is asked."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from callbridge.agents.fault import AgentFault

Consent: TypeAlias = Literal["announced", "asked", "none"]

REFUSE: Final = "refuse_recording"
AGREE: Final = "agree_to_recording"

ANNOUNCEMENT_MAX: Final = 500
"""Characters: 40 s of speech."""


class Recording:
    """Has the calls of an agent recorded: `Agent(recording=Recording())`. Where to, the settings say.

    Without `CALLBRIDGE_RECORDINGS` nothing is recorded, announced or asked.

    Args:
        consent: `announced`: the caller is told in front of the greeting, and is recorded once they have
            heard that to its end; they may refuse at any time. `asked`: they are asked behind the greeting,
            and are recorded once they have agreed. `none`: they are recorded from the beginning, and told
            nothing: only where the law allows that, or where something before the call has told them.
        announcement: what they are told or asked, said exactly. Without it, the usual words in the language
            of the agent.

    Raises:
        AgentFault: something of this cannot be so.
    """

    def __init__(self, *, consent: Consent = "announced", announcement: str = "") -> None:
        if consent not in get_args(Consent):
            raise AgentFault(f"recording, consent={consent!r}: write one of {', '.join(get_args(Consent))}")
        if len(announcement) > ANNOUNCEMENT_MAX:
            raise AgentFault(f"recording, announcement: it has more than {ANNOUNCEMENT_MAX} characters")
        self.consent: Consent = consent
        self.announcement = " ".join(announcement.split())

    @property
    def tool_names(self) -> list[str]:
        """The tools that the model has because of it."""
        return {"announced": [REFUSE], "asked": [AGREE, REFUSE], "none": []}[self.consent]

    def __repr__(self) -> str:
        return f"<Recording, consent {self.consent}>"
