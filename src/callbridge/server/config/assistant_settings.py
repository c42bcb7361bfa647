"""Assistants that ask about calls over the network: a part of the settings."""

from __future__ import annotations

from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_values import AssistantToken


class AssistantSettings(RestSettings):
    """The settings of `callbridge mcp --http`. The service reads none of them."""

    mcp_token: AssistantToken | None = None
    """The bearer token that an assistant must show; 32 characters or more."""
