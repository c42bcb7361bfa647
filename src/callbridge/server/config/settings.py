"""Everything that can be configured, read once from the environment and a `.env` file.

Nothing else in the package looks at the environment. An empty variable counts as not set. Every
fault is told in words, with the variable's name and the remedy; so is a name that no setting has.
`callbridge check` adds what can only be judged with the date, the network port or the user's own
agent at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
)

from callbridge.observe.logs import LogFormat
from callbridge.server.config.addresses import AddressSettings
from callbridge.server.config.models import voice_model
from callbridge.server.config.setting_names import (
    name_of_others,
    unknown_names,
    variable,
)
from callbridge.server.config.setting_problems import SettingsError, problem_of, unknown_name
from callbridge.server.config.setting_values import (
    AuthTokens,
    Dollars,
    LogLevel,
    OutputLimit,
    PhoneNumber,
    RealtimeUrl,
    SecretKey,
    Sid,
    SoundFile,
    Truncation,
    listed,
)


class Settings(AddressSettings):
    """The configuration of one process. `variable` tells the environment variable of a field."""

    # Accounts.

    openai_api_key: SecretStr = Field(validation_alias=name_of_others("OPENAI_API_KEY"))
    """Key for the voice model; starts with `sk-`."""

    twilio_account_sid: Sid = Field(validation_alias=name_of_others("TWILIO_ACCOUNT_SID"))
    """The account whose calls are answered; `AC` and 32 hexadecimal digits."""

    twilio_auth_token: SecretStr = Field(validation_alias=name_of_others("TWILIO_AUTH_TOKEN"))
    """The key under which Twilio signs its requests."""

    other_auth_tokens: AuthTokens | None = None
    """Further ones, separated by commas: the next or the last one while it is rotated, those of regions."""

    secret_key: SecretKey | None = None
    """What stream tokens and the keys of callers are made with; not set: the auth token."""

    validate_signatures: bool = True
    """Off only on a laptop: refused unless the service is reached from this machine alone."""

    # The voice model.

    realtime_url: RealtimeUrl = "wss://api.openai.com/v1/realtime"
    """The Realtime API, or a simulator of it; ws:// on loopback only."""

    realtime_model: str = "gpt-realtime-2.1"
    """The model that answers."""

    realtime_second_model: str = "gpt-realtime-2.1-mini"
    """What is dialled when the first one is not found; off switches it off."""

    predial: bool = True
    """Whether the model is dialled while Twilio still connects its stream: the greeting comes sooner."""

    realtime_voice: str = "marin"
    """A voice of the vendor, or the id (voice_...) of your own."""

    reasoning_effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    """How long a reasoning model thinks; not set leaves the model's own default."""

    max_output_tokens: OutputLimit = "inf"
    """The most that one response may cost, tool calls included: 1 to 4096, or inf."""

    truncation: Truncation = "auto"
    """When the context is full: auto, disabled (an error), or the share of it to keep."""

    truncation_post_instructions_tokens: int | None = Field(None, ge=0)
    """With a ratio: the most that may stand after the instructions, in tokens."""

    # The agent.

    agent: str | None = None
    """An agent in your own code, as module:name; what it leaves open is filled in from here."""

    agent_instructions: str = (
        "You are a friendly assistant who answers the telephone. Keep answers short, as in "
        "a conversation. Say so when you do not know something."
    )
    """What the agent is told about its task."""

    agent_greeting: str = "Hello, you are speaking with an AI assistant. How can I help?"
    """What the agent says first."""

    clip: SoundFile | None = None
    """A .wav or .ulaw file in place of the built-in "one moment, please"."""

    # If the model cannot answer: a human, else voicemail, else the apology.

    fallback_dial: PhoneNumber | None = None
    """A human who is called then, as +14155550123."""

    fallback_dial_seconds: int = Field(20, ge=5, le=60)
    """How long it rings there, in seconds."""

    fallback_voicemail: bool = True
    """Whether the caller may leave a message when no human answers."""

    voicemail_prompt: str = "We cannot take your call at the moment. Please leave a message after the tone."
    """What Twilio's own voice says before the tone."""

    apology: str = "We are sorry, we cannot take your call at the moment. Please try again later."
    """What Twilio's own voice says when nothing else can answer."""

    # Limits of one call. The agent says that one is reached.

    goodbye: str = "This call has to end now. Goodbye."
    """What Twilio's own voice says when a call must end and the agent cannot say so."""

    call_minutes_max: int = Field(60, ge=1, le=1_440)
    """Then the agent says goodbye."""

    caller_silence_seconds: int = Field(60, ge=0, le=3_600)
    """Then the agent asks whether the caller is there; half as long again, and the call ends. 0: never."""

    utterance_seconds_max: int = Field(45, ge=10, le=600)
    """The longest utterance: then what was said is answered, whatever the model still hears. 110 words."""

    answer_patience_seconds: float | None = Field(None, ge=2, le=60)
    """A model that is silent for so long is replaced. Not set: 8, and more for much reasoning effort."""

    tool_seconds: int = Field(8, ge=1, le=12)
    """What a tool may take, unless it says so itself. Of 15 s until the fallback 3 s are left for words."""

    spend_per_call_max: Dollars | None = None
    """US dollars of the model's tokens; then the agent says goodbye."""

    # How many calls. 0 stands for no limit where it may be set.

    calls_max: int = Field(250, ge=1, le=100_000)
    """Calls at once in this process. 250 take 0.44 of a core (bench/results.md); the rest is for tools."""

    call_starts_per_second: int = Field(20, ge=1, le=10_000)
    """Calls that may begin in a second. With 20 of them 200 live calls were late by less than 3 ms (p99)."""

    calls_per_caller: int = Field(2, ge=0)
    """One caller's calls at once."""

    calls_per_caller_10_minutes: int = Field(5, ge=0)
    """One caller's calls in ten minutes."""

    calls_per_caller_day: int = Field(20, ge=0)
    """One caller's calls in 24 hours."""

    anonymous_calls_max: int = Field(10, ge=0)
    """Calls at once of all callers without a number together."""

    spend_per_hour_max: Dollars | None = None
    """US dollars of the model's tokens in an hour; then new calls get the human, voicemail or apology."""

    spend_per_day_max: Dollars | None = None
    """The same in 24 hours."""

    # Connections.

    keep_alive_seconds: int = Field(920, ge=5, le=86_400)
    """How long an idle connection of a proxy stays open: longer than the proxy itself keeps it."""

    # State, and stopping.

    state_path: Path | None = None
    """A SQLite file that outlives the process; not set keeps all in memory. The image sets one."""

    drain_seconds: int = Field(240, ge=0, le=3_600)
    """How long live calls go on after a stop. Of the 300 s of fly.toml a minute is left to hand them over."""

    # Hearing the caller.

    language: str | None = Field(None, pattern=r"^[a-z]{2}$")
    """The language that callers speak, as ISO-639-1 (en, de, ...); not set detects it."""

    transcription_model: str = "gpt-transcribe"
    """What writes down the caller's words; off switches it off."""

    noise_reduction: Literal["off", "near_field", "far_field"] = "off"
    """Cleans the caller's audio before the model hears it."""

    vad_kind: Literal["server_vad", "semantic_vad"] = "server_vad"
    """How the end of the caller's turn is found: by silence, or by meaning."""

    vad_threshold: float = Field(0.5, ge=0, le=1)
    """server_vad: how loud speech must be, 0 to 1; higher for noisy lines."""

    vad_prefix_padding_ms: int = Field(300, ge=0, le=5_000)
    """server_vad: audio kept from before the first sound of speech."""

    vad_silence_duration_ms: int = Field(500, ge=0, le=10_000)
    """server_vad: silence that ends a turn; shorter answers sooner, and interrupts more."""

    vad_eagerness: Literal["auto", "low", "medium", "high"] = "auto"
    """semantic_vad: how soon it takes a turn for ended; waits 8 s, 4 s or 2 s at most."""

    # Logs.

    log_level: LogLevel = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    log_format: LogFormat = LogFormat.AUTO
    """auto (readable on a terminal, JSON elsewhere), json or console."""

    log_transcripts: bool = False
    """Whether the words of caller and agent may stand in the logs."""

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """All under which Twilio may sign, the account's own first."""
        own = self.twilio_auth_token.get_secret_value()
        others = () if self.other_auth_tokens is None else listed(self.other_auth_tokens)
        return tuple(dict.fromkeys((own, *others)))

    @property
    def own_secret(self) -> str:
        """What is ours is derived from this: stream tokens, and the keys under which callers are counted."""
        return (self.secret_key or self.twilio_auth_token).get_secret_value()

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that must be shown nowhere, single ones of a list too."""
        values = (getattr(self, field) for field in type(self).model_fields)
        hidden = (value.get_secret_value() for value in values if isinstance(value, SecretStr))
        return (*hidden, *self.auth_tokens)

    @property
    def transcribes(self) -> bool:
        """Whether the caller's words are written down."""
        return self.transcription_model != "off"

    @property
    def second_model(self) -> str | None:
        """The model to dial when the first is not found; nothing where there is no other."""
        name = self.realtime_second_model
        return None if name in {"off", self.realtime_model} else name

    # Rules.

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: dict[str, object]) -> dict[str, object]:
        stripped = {k: v.strip() if isinstance(v, str) else v for k, v in values.items()}
        return {name: value for name, value in stripped.items() if value != ""}

    @model_validator(mode="after")
    def _signatures_are_checked_in_public(self) -> Self:
        if self.validate_signatures:
            return self
        closed = {}
        if not self.listens_on_loopback:
            closed[variable("host")] = "127.0.0.1"
        if self.is_public:
            closed[variable("public_base_url")] = f"http://127.0.0.1:{self.port}"
        if closed:
            name, remedy = variable("validate_signatures"), " and ".join(map("=".join, closed.items()))
            raise ValueError(
                f"{name} is false while others can come in by {' and '.join(closed)}. "
                f"Set {remedy}, or remove {name}"
            )
        return self

    @model_validator(mode="after")
    def _effort_fits_the_model(self) -> Self:
        if self.reasoning_effort is None:
            return self
        fitting = {"realtime_model": "gpt-realtime-2.1", "realtime_second_model": "gpt-realtime-2.1-mini"}
        for field, successor in fitting.items():
            name = getattr(self, field)
            model = voice_model(name)
            if model is not None and not model.has_reasoning:
                raise ValueError(
                    f"{variable('reasoning_effort')} is set, but {name} does not reason. "
                    f"Remove it, or set {variable(field)}={successor}"
                )
        return self


class _GivenSettings(Settings):
    """Settings from what is passed in, and from nowhere else."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


VARIABLES: Final = tuple(variable(field) for field in Settings.model_fields)
"""The names of all settings."""


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of `environment`, or of this process and its `.env` file.

    Raises:
        SettingsError: something is missing, wrong or called by a name that no setting has; says everything
            that is, at once.
    """
    given = _given_variables() if environment is None else environment
    unknown = [unknown_name(name, VARIABLES) for name in unknown_names(given, VARIABLES)]
    try:
        settings = _own_settings() if environment is None else _settings_of(environment)
    except ValidationError as error:
        wrong = [problem_of(fault, _default_of(fault)) for fault in error.errors()]
        raise SettingsError((*unknown, *wrong)) from None
    if unknown:
        raise SettingsError(tuple(unknown))
    return settings


def _default_of(fault: ErrorDetails) -> object:
    """What holds when the variable that is at fault is not set; None for nothing."""
    fields = Settings.model_fields
    return fields[str(fault["loc"][0]).lower()].default if fault["loc"] else None


def _own_settings() -> Settings:
    return Settings()  # type: ignore[call-arg]  # the sources fill the fields in


def _settings_of(environment: Mapping[str, str]) -> Settings:
    names = {field: variable(field) for field in Settings.model_fields}
    values = {field: environment[name] for field, name in names.items() if name in environment}
    return _GivenSettings(**values)  # type: ignore[arg-type]  # text becomes the type


def _given_variables() -> dict[str, str | None]:
    """Those of this process and of its `.env` file, empty ones too. Case does not matter in them."""
    sources = (
        DotEnvSettingsSource(Settings, env_ignore_empty=False),
        EnvSettingsSource(Settings, env_ignore_empty=False),
    )
    return {name.upper(): value for source in sources for name, value in source.env_vars.items()}
