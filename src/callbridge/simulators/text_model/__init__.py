"""A text model on a laptop: Chat Completions with structured outputs, strict as the real endpoint.

Pure: `request_types`, `strict_schema`, `function_tools`, `completions`. Shell: `server`.
"""

from __future__ import annotations

from callbridge.simulators.text_model.completions import (
    ANY,
    Babbles,
    CallsTool,
    CutOff,
    Fails,
    Filtered,
    Hangs,
    Refuses,
    Says,
    TextModel,
)
from callbridge.simulators.text_model.server import TextModelServer, serve_text_model

__all__ = [
    "ANY",
    "Babbles",
    "CallsTool",
    "CutOff",
    "Fails",
    "Filtered",
    "Hangs",
    "Refuses",
    "Says",
    "TextModel",
    "TextModelServer",
    "serve_text_model",
]
