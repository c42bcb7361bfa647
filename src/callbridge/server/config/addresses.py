"""Where the service listens, and the addresses under which Twilio reaches it: a part of the settings."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from callbridge.server.config.setting_values import BaseUrl, ControlKey, Host, is_loopback

VOICE_PATH = "/twilio/voice"
STREAM_ENDED_PATH = "/twilio/stream-ended"
STREAM_STATUS_PATH = "/twilio/stream-status"
CALL_STATUS_PATH = "/twilio/call-status"
DEBUGGER_PATH = "/twilio/debugger"
FALLBACK_DIALED_PATH = "/twilio/fallback-dialed"
FALLBACK_MENU_PATH = "/twilio/fallback-menu"
VOICEMAIL_LEFT_PATH = "/twilio/voicemail-left"
VOICEMAIL_STATUS_PATH = "/twilio/voicemail-status"
TEXT_PATH = "/twilio/text"
TEXT_STATUS_PATH = "/twilio/text-status"
TRANSFER_ENDED_PATH = "/twilio/transfer-ended"
BRIEFING_PATH = "/twilio/briefing"
BRIEFING_KEY_PATH = "/twilio/briefing-key"
PERSON_WAITS_PATH = "/twilio/person-waits"
PERSON_STATUS_PATH = "/twilio/person-status"
ROOM_WAIT_PATH = "/twilio/room-wait"
ROOM_STATUS_PATH = "/twilio/room-status"
MEDIA_STREAM_PATH = "/media-stream"


class AddressSettings(BaseSettings):
    """The settings of addresses. How all settings are made stands here, too."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Made in code, they are what is named there. The process is asked by `settings_of` alone."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    public_base_url: BaseUrl
    """Where Twilio reaches this process: https://, a host, perhaps a path; http:// on loopback only."""

    host: Host = "0.0.0.0"  # noqa: S104 - a container is reached from outside itself
    """The address to listen on."""

    port: int = Field(8080, ge=1, le=65_535)
    """The port to listen on."""

    control_host: Host = "127.0.0.1"
    """Where operators ask (drain, reasons): an address that only they can reach."""

    control_port: int = Field(8081, ge=0, le=65_535)
    """The port of it; 0: nobody can ask."""

    control_key: ControlKey | None = None
    """The bearer key of it. Not set: derived from TWILIO_AUTH_TOKEN, as `callbridge drain` does it, too."""

    @property
    def voice_url(self) -> str:
        """What to enter as the webhook of the phone number."""
        return self.public_base_url + VOICE_PATH

    @property
    def action_url(self) -> str:
        """What Twilio asks when the stream has ended."""
        return self.public_base_url + STREAM_ENDED_PATH

    @property
    def stream_status_url(self) -> str:
        """Where Twilio reports about the stream."""
        return self.public_base_url + STREAM_STATUS_PATH

    @property
    def call_status_url(self) -> str:
        """Where Twilio reports about the call, when the number is configured so."""
        return self.public_base_url + CALL_STATUS_PATH

    @property
    def fallback_dialed_url(self) -> str:
        """What Twilio asks when the dial to a human has ended."""
        return self.public_base_url + FALLBACK_DIALED_PATH

    @property
    def fallback_menu_url(self) -> str:
        """What Twilio asks when the caller has heard the menu of the fallback."""
        return self.public_base_url + FALLBACK_MENU_PATH

    @property
    def voicemail_left_url(self) -> str:
        """What Twilio asks when the caller has left a message."""
        return self.public_base_url + VOICEMAIL_LEFT_PATH

    @property
    def voicemail_status_url(self) -> str:
        """Where Twilio reports that the message can be fetched."""
        return self.public_base_url + VOICEMAIL_STATUS_PATH

    @property
    def text_url(self) -> str:
        """What to enter at the phone number for a text that comes in."""
        return self.public_base_url + TEXT_PATH

    @property
    def text_status_url(self) -> str:
        """Where Twilio reports what became of a text."""
        return self.public_base_url + TEXT_STATUS_PATH

    @property
    def transfer_ended_url(self) -> str:
        """What Twilio asks when a caller who was put through is back, or has talked."""
        return self.public_base_url + TRANSFER_ENDED_PATH

    def transfer_url(self, path: str, call_sid: str, transfer_id: str) -> str:
        """An address of a transfer: it says whose, because the person's call has a name of its own."""
        return f"{self.public_base_url}{path}?call={call_sid}&transfer={transfer_id}"

    @property
    def stream_url(self) -> str:
        """The media socket: wss, or ws on loopback."""
        return "ws" + self.public_base_url.removeprefix("http") + MEDIA_STREAM_PATH

    @property
    def listens_on_loopback(self) -> bool:
        """Whether only this machine can connect to the service; a tunnel on it brings the world in, too."""
        return is_loopback(self.host)

    @property
    def is_public(self) -> bool:
        """Whether the address that Twilio is told leads here from other machines."""
        return not is_loopback(urlsplit(self.public_base_url).hostname or "")
