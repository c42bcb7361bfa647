"""What users import in the tests of their own agents. It stands above the service and both simulators."""

from __future__ import annotations

from callbridge.testing.persona.judge import Judge, Judgement, Quote, Verdict
from callbridge.testing.persona.persona import Improvised, Limits, Persona

__all__ = ["Improvised", "Judge", "Judgement", "Limits", "Persona", "Quote", "Verdict"]
