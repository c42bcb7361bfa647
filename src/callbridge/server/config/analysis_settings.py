"""What looks at calls that are over: a part of the settings."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from callbridge.server.config.rest import RestSettings
from callbridge.server.config.setting_values import VendorsName, base_url, is_loopback


def _text_url(url: str) -> str:
    url = base_url(url)
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://: calls go there (http:// on this machine only)")
    return url


class AnalysisSettings(RestSettings):
    """The settings of the analysis. Without a model no call is looked at."""

    analysis_model: VendorsName | None = None
    """A text model with structured outputs, such as gpt-5-mini."""

    analysis_url: Annotated[str, AfterValidator(_text_url)] = "https://api.openai.com/v1"
    """Where: any endpoint with Chat Completions that knows OPENAI_API_KEY."""

    analysis_share: float = Field(1.0, ge=0, le=1)
    """Of how many calls, 0 to 1; which ones is chosen by their CallSid."""

    analysis_seconds_min: int = Field(20, ge=0, le=3_600)
    """Shorter calls are not looked at."""
