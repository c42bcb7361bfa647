"""What users import in the tests of their own agents. It stands above the service and both simulators.

Each name is imported when it is asked for: pytest loads this package in every run, for its plugin.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from callbridge.testing.call_data import Complaint, ToolNotOfferedError
    from callbridge.testing.doubles import Hangs, Raises, Refuses, Returns
    from callbridge.testing.effects import (
        Babble,
        Backchannels,
        Coughs,
        Echo,
        Effect,
        FastSpeech,
        Jitter,
        Loss,
        Noise,
        PhoneBand,
        SlowSpeech,
        SoftSpeech,
    )
    from callbridge.testing.expecting.expectations import Expectations, ToolExpectation
    from callbridge.testing.expecting.unmet import ExpectationError
    from callbridge.testing.line import CallArguments, Line
    from callbridge.testing.logged import LogLine
    from callbridge.testing.moves import Calls, Drops, Fails, ModelMove, Says, Silent
    from callbridge.testing.persona.conversation import Conversation, load_conversation
    from callbridge.testing.persona.judge import Judge, Judgement, Quote, Verdict
    from callbridge.testing.persona.judging import judged, rejudged
    from callbridge.testing.persona.missing import TextModelMissing
    from callbridge.testing.persona.persona import Improvised, Limits, Persona, RealModel
    from callbridge.testing.persona.text_models import TextModelFault
    from callbridge.testing.played import PlayedCall
    from callbridge.testing.speech import Speech
    from callbridge.testing.steps import (
        Backchannel,
        CallerStep,
        HangUp,
        Interrupt,
        Pause,
        Press,
        Say,
        Vanish,
        WaitForAgent,
    )

__all__ = [
    "Babble",
    "Backchannel",
    "Backchannels",
    "CallArguments",
    "CallerStep",
    "Calls",
    "Complaint",
    "Conversation",
    "Coughs",
    "Drops",
    "Echo",
    "Effect",
    "ExpectationError",
    "Expectations",
    "Fails",
    "FastSpeech",
    "HangUp",
    "Hangs",
    "Improvised",
    "Interrupt",
    "Jitter",
    "Judge",
    "Judgement",
    "Limits",
    "Line",
    "LogLine",
    "Loss",
    "ModelMove",
    "Noise",
    "Pause",
    "Persona",
    "PhoneBand",
    "PlayedCall",
    "Press",
    "Quote",
    "Raises",
    "RealModel",
    "Refuses",
    "Returns",
    "Say",
    "Says",
    "Silent",
    "SlowSpeech",
    "SoftSpeech",
    "Speech",
    "TextModelFault",
    "TextModelMissing",
    "ToolExpectation",
    "ToolNotOfferedError",
    "Vanish",
    "Verdict",
    "WaitForAgent",
    "judged",
    "load_conversation",
    "rejudged",
]

_WHERE = {
    "call_data": ("Complaint", "ToolNotOfferedError"),
    "doubles": ("Hangs", "Raises", "Refuses", "Returns"),
    "effects": (
        *("Babble", "Backchannels", "Coughs", "Echo", "Effect", "FastSpeech", "Jitter", "Loss", "Noise"),
        *("PhoneBand", "SlowSpeech", "SoftSpeech"),
    ),
    "expecting.expectations": ("Expectations", "ToolExpectation"),
    "expecting.unmet": ("ExpectationError",),
    "line": ("CallArguments", "Line"),
    "logged": ("LogLine",),
    "moves": ("Calls", "Drops", "Fails", "ModelMove", "Says", "Silent"),
    "persona.conversation": ("Conversation", "load_conversation"),
    "persona.judge": ("Judge", "Judgement", "Quote", "Verdict"),
    "persona.judging": ("judged", "rejudged"),
    "persona.missing": ("TextModelMissing",),
    "persona.persona": ("Improvised", "Limits", "Persona", "RealModel"),
    "persona.text_models": ("TextModelFault",),
    "played": ("PlayedCall",),
    "speech": ("Speech",),
    "steps": (
        *("Backchannel", "CallerStep", "HangUp", "Interrupt", "Pause", "Press", "Say", "Vanish"),
        "WaitForAgent",
    ),
}
"""In which module of the package each name stands."""


def __getattr__(name: str) -> object:
    for module, names in _WHERE.items():
        if name in names:
            found: object = getattr(import_module(f"{__name__}.{module}"), name)
            globals()[name] = found  # Asked for again, it is simply there.
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
