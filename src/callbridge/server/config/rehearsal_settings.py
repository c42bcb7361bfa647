"""Which text model plays callers, and judges, in tests of agents: a part of the settings."""

from __future__ import annotations

from pydantic import Field

from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_values import VendorsName


class RehearsalSettings(RestSettings):
    """The settings of tests that ask a text model. The service reads none of them."""

    test_model: VendorsName | None = None
    """A text model with structured outputs and tools; not set: that of the analysis."""

    test_dollars: float = Field(1.0, gt=0, le=1000)
    """What one run of tests may spend on it."""
