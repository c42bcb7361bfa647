"""A strict OpenAI Realtime server (GA, 2026) whose answers come from a script.

`RealtimeSession` is the pure core: messages and time in, frames out. `serve_model` puts it on real
sockets. The script says what the agent says, calls and gets wrong; the journal says what happened.
"""

from callbridge.simulators.voice_model.conversation import Item
from callbridge.simulators.voice_model.faults import (
    FAULT_SYNTAX,
    ConnectFault,
    Fault,
    Outages,
    parse_fault,
)
from callbridge.simulators.voice_model.handshake import HandshakeRefusal
from callbridge.simulators.voice_model.journal import (
    Heard,
    Journal,
    Note,
    Received,
    Refusal,
    ResponseRecord,
    Truncation,
)
from callbridge.simulators.voice_model.oddities import Oddity
from callbridge.simulators.voice_model.outputs import (
    Abort,
    Close,
    Mute,
    Output,
    Send,
    SendBinary,
    Stall,
)
from callbridge.simulators.voice_model.report import SessionReport, session_reports
from callbridge.simulators.voice_model.script import (
    OUT_OF_QUOTA,
    Answer,
    Call,
    Failure,
    McpCall,
    McpListing,
    Prompter,
    Say,
    Script,
    ScriptError,
    load_script,
    refuse_impossible,
)
from callbridge.simulators.voice_model.server import ModelServer, serve_model
from callbridge.simulators.voice_model.session import RealtimeSession
from callbridge.simulators.voice_model.session_config import (
    REALTIME_MODELS,
    TRANSCRIPTION_MODELS,
)
from callbridge.simulators.voice_model.shared import SessionSettings
from callbridge.simulators.voice_model.voices import (
    Clip,
    caller_speech,
    demo_script,
    installed_speaker,
    placed,
    tone,
    voiced,
)

__all__ = [
    "FAULT_SYNTAX",
    "OUT_OF_QUOTA",
    "REALTIME_MODELS",
    "TRANSCRIPTION_MODELS",
    "Abort",
    "Answer",
    "Call",
    "Clip",
    "Close",
    "ConnectFault",
    "Failure",
    "Fault",
    "HandshakeRefusal",
    "Heard",
    "Item",
    "Journal",
    "McpCall",
    "McpListing",
    "ModelServer",
    "Mute",
    "Note",
    "Oddity",
    "Outages",
    "Output",
    "Prompter",
    "RealtimeSession",
    "Received",
    "Refusal",
    "ResponseRecord",
    "Say",
    "Script",
    "ScriptError",
    "Send",
    "SendBinary",
    "SessionReport",
    "SessionSettings",
    "Stall",
    "Truncation",
    "caller_speech",
    "demo_script",
    "installed_speaker",
    "load_script",
    "parse_fault",
    "placed",
    "refuse_impossible",
    "serve_model",
    "session_reports",
    "tone",
    "voiced",
]
