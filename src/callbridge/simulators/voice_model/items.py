"""Items that a client makes: from their JSON, audio decoded, ids completed."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from callbridge.simulators.voice_model.conversation import Item
from callbridge.simulators.voice_model.formats import PCM, PCMA, PCMU, Decoder
from callbridge.simulators.voice_model.schema import ClientError

if TYPE_CHECKING:
    from callbridge.simulators.voice_model.conversation import Conversation
    from callbridge.simulators.voice_model.ids import Ids
    from callbridge.simulators.voice_model.schema import Json

_FORMAT_NAMES = {
    PCM: "mono PCM16 at 24kHz",
    PCMU: "G.711 mu-law at 8kHz",
    PCMA: "G.711 A-law at 8kHz",
}


def client_item(written: Json, param: str, input_format: str, ids: Ids) -> Item:
    """The item that a client wrote, which has passed the schema.

    Raises:
        ClientError: audio in it is not base64.
    """
    item = Item(written.get("id") or ids.make("item"), written["type"], written.get("role", ""))
    audio = b""
    for index, part in enumerate(written.get("content", [])):
        item.content.append({name: value for name, value in part.items() if name != "audio"})
        if "audio" in part:
            path = f"{param}.content[{index}].audio"
            audio += Decoder(input_format).decode(decoded(part["audio"], path, input_format))
    item.audio = audio
    item.transcript = "".join(part.get("text") or "" for part in item.content)
    names = ("name", "arguments", "call_id", "output", "approval_request_id", "approve", "reason")
    item.fields = {name: written[name] for name in names if name in written}
    if item.type == "function_call" and not item.fields.get("call_id"):
        item.fields["call_id"] = ids.make("call")
    return item


def refuse_orphan(item: Item, conversation: Conversation) -> None:
    """Refuse an output for which there is no call. Raises ClientError."""
    if item.type == "function_call_output" and not conversation.has_call(item.fields["call_id"]):
        raise ClientError(
            "invalid_tool_call_id",
            f"Tool call ID '{item.fields['call_id']}' not found in conversation.",
        )
    if item.type == "mcp_approval_response":
        request_id = item.fields["approval_request_id"]
        if conversation.has_asked(request_id):
            return
        raise ClientError("item_not_found", f"Error adding item: no approval request with id '{request_id}'.")


def decoded(audio: str, param: str, input_format: str) -> bytes:
    """The bytes of base64 audio. Raises ClientError when it is none."""
    try:
        data = binascii.a2b_base64(audio, strict_mode=True)
    except ValueError as error:
        raise _not_audio(param, input_format, "an invalid value") from error
    if not data:
        raise _not_audio(param, input_format, "empty bytes")
    return data


def _not_audio(param: str, input_format: str, got: str) -> ClientError:
    return ClientError(
        "invalid_value",
        f"Invalid '{param}'. Expected base64-encoded audio bytes ({_FORMAT_NAMES[input_format]}) "
        f"but got {got}.",
        param,
    )
