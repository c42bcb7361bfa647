"""Everything that can be configured, read once from the environment and a `.env` file.

An empty variable counts as not set. Every fault is told in words, with the variable's name, its place and the
remedy; so is a name that no setting has. `callbridge check` adds what can only be judged with the date, the
network port or the user's own agent at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import PydanticBaseSettingsSource

from callbridge.observe.logs import LogFormat
from callbridge.server.config.analysis_settings import AnalysisSettings
from callbridge.server.config.assistant_settings import AssistantSettings
from callbridge.server.config.fallback_settings import FallbackSettings
from callbridge.server.config.hearing_settings import HearingSettings
from callbridge.server.config.kept_settings import KeptSettings
from callbridge.server.config.models import voice_model
from callbridge.server.config.nats_settings import NatsSettings
from callbridge.server.config.recording_settings import RecordingSettings
from callbridge.server.config.rehearsal_settings import RehearsalSettings
from callbridge.server.config.setting_names import variable
from callbridge.server.config.setting_problems import SettingsError, problem_of
from callbridge.server.config.setting_values import (
    AuthToken,
    AuthTokens,
    CallsOfCallers,
    DatabaseUrl,
    DaysOrOff,
    LogLevel,
    ModelKey,
    OutputLimit,
    PriceFile,
    RealtimeUrl,
    RedisUrl,
    SecretKey,
    Sid,
    SoundFile,
    SpendCap,
    TextSender,
    TimeZone,
    Truncation,
    VendorsName,
    listed,
    password_in,
)
from callbridge.server.config.shared_settings import SharedSettings
from callbridge.server.config.tracing_settings import TracingSettings
from callbridge.server.config.variables import Variables, given_variables, own_variables
from callbridge.server.config.webhook_settings import WebhookSettings
from callbridge.server.config.worker_settings import WorkerSettings
from callbridge.telephony.rest.credentials import Credentials


class Settings(
    AnalysisSettings,
    AssistantSettings,
    FallbackSettings,
    HearingSettings,
    RehearsalSettings,
    KeptSettings,
    RecordingSettings,
    WebhookSettings,
    NatsSettings,
    WorkerSettings,
    SharedSettings,
    TracingSettings,
):
    """The configuration of one process. `variable` tells the environment variable of a field."""

    # Accounts.

    openai_api_key: ModelKey
    """Key for the voice model; starts with `sk-`."""

    openai_admin_key: SecretStr | None = None
    """An administrator's key: with it `callbridge calls cost --compare` asks what was billed."""

    twilio_account_sid: Sid
    """The account whose calls are answered; `AC` and 32 hexadecimal digits."""

    twilio_auth_token: AuthToken
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

    realtime_model: VendorsName = "gpt-realtime-2.1"
    """The model that answers."""

    realtime_second_model: VendorsName = "gpt-realtime-2.1-mini"
    """What is dialled when the first one is not found; off switches it off."""

    predial: bool = True
    """Whether the model is dialled while Twilio still connects its stream: the greeting comes sooner."""

    realtime_voice: VendorsName = "marin"
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
    """Who answers: module:name in your own code, or a TOML file or a folder of them.

    What an agent leaves open is filled in from here."""

    agent_instructions: str | None = None
    """What the agent is told about its task. Texts that are not set are the usual ones, in `language`."""

    agent_greeting: str | None = None
    """What the agent says first."""

    time_zone: TimeZone = "UTC"
    """Where the agent is at home, unless it says so itself: Europe/Berlin, for example."""

    clip: SoundFile | None = None
    """A .wav or .ulaw file in place of the built-in "one moment, please" in `language`."""

    # Limits of one call. The agent says that one is reached.

    goodbye: str | None = None
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

    spend_per_call_max: SpendCap = None
    """US dollars of model, transcripts and line; then the agent says goodbye. Off: its length bounds it."""

    # How many calls. 0 stands for no limit where it may be set.

    calls_max: int = Field(250, ge=1, le=100_000)
    """Calls at once in a process, each worker for itself. 250 take 0.44 of a core (bench/results.md)."""

    call_starts_per_second: int = Field(20, ge=1, le=10_000)
    """Calls that may begin in a second. With 20 of them 200 live calls were late by less than 3 ms (p99)."""

    calls_per_caller: int = Field(2, ge=0)
    """One caller's calls at once. All of a SIP host are one caller, and so are all of a switchboard."""

    calls_per_caller_10_minutes: int = Field(5, ge=0)
    """One caller's calls in ten minutes."""

    calls_per_caller_day: int = Field(20, ge=0)
    """One caller's calls in 24 hours."""

    calls_per_caller_of: CallsOfCallers = None
    """Callers with calls at once of their own and no other limit: +14155550100=30,sip:pbx.example.com=50."""

    anonymous_calls_max: int = Field(10, ge=0)
    """Calls at once of all callers without a number together."""

    anonymous_calls_day: int = Field(100, ge=0)
    """The same in 24 hours. At 20 to 50 cents for a call of a few minutes half of a day's cap, at most."""

    caller_limit_message: str | None = None
    """What Twilio's own voice says to a caller who has reached a limit of their own."""

    spend_per_hour_max: SpendCap = 25
    """US dollars in an hour, as above; then new calls get the human, voicemail or apology.

    Live calls are ended, in words, when a fifth more was spent. Off: no cap."""

    spend_per_day_max: SpendCap = 100
    """The same in 24 hours."""

    prices: PriceFile | None = None
    """A TOML file with prices of your own, in place of those in the package or beside them."""

    # Text messages of agents.

    text_from: TextSender | None = None
    """From which they come: a number of yours, or a Messaging Service (MG...). Not set: the called number."""

    texts_per_caller_day: int = Field(5, ge=1, le=1_000)
    """Texts to one caller, or on their behalf, in 24 hours."""

    texts_per_day: int = Field(500, ge=1, le=1_000_000)
    """All texts in 24 hours: whoever misuses an agent sends no more."""

    # Connections.

    keep_alive_seconds: int = Field(920, ge=5, le=86_400)
    """How long an idle connection of a proxy stays open: longer than the proxy itself keeps it."""

    # State, and stopping.

    state_path: Path | None = None
    """A SQLite file that outlives the process; not set keeps all in memory. The image sets one."""

    redis_url: RedisUrl | None = None
    """A Redis in which processes share live calls' memory and used tokens: redis:// or rediss://."""

    state_kept_hours: int = Field(24, ge=1, le=168)
    """How long the outline of a call is kept, without words or numbers: no call at Twilio is longer."""

    caller_memory_days: DaysOrOff = None
    """Days after a caller's last call in which agents know what it was about. Off: nothing of it is kept."""

    drain_seconds: int = Field(240, ge=0, le=3_600)
    """How long live calls go on after a stop. Of the 300 s of fly.toml a minute is left to hand them over."""

    restart_seconds: int = Field(10, ge=0, le=120)
    """How long nobody answers at this address when one process follows another. Callers wait meanwhile."""

    one_moment: str | None = None
    """What Twilio's own voice says while they wait."""

    # Records: what is kept of calls for weeks.

    database_url: DatabaseUrl | None = None
    """Where: postgresql://..., sqlite:///..., or off. Not set: records.db beside the state file."""

    keep_words: bool = False
    """Whether words of callers and agents, arguments and results of tools, and captured values are kept."""

    keep_numbers: bool = False
    """Whether telephone numbers are kept as they are, instead of their last two digits."""

    replay_share: float = Field(0, ge=0, le=1)
    """Of which share of the calls all is kept that `callbridge replay` plays again; with `keep_words`."""

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
    def rest_credentials(self) -> Credentials:
        """What Twilio's REST API is asked with: the key where there is one, else the auth token."""
        return Credentials(
            account_sid=self.twilio_account_sid,
            secret=self.twilio_api_key_secret or self.twilio_auth_token,
            key_sid=self.twilio_api_key_sid or "",
            region=self.twilio_region or "",
            edge=self.twilio_edge or "",
            api_url=self.twilio_api_url or "",
        )

    @property
    def own_secret(self) -> str:
        """What is ours is derived from this: stream tokens, and the keys under which callers are counted."""
        return (self.secret_key or self.twilio_auth_token).get_secret_value()

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that must be shown nowhere, single ones of a list too."""
        values = (getattr(self, field) for field in type(self).model_fields)
        hidden = (value.get_secret_value() for value in values if isinstance(value, SecretStr))
        addresses = (url.get_secret_value() for url in (self.database_url, self.redis_url) if url is not None)
        passwords = filter(None, map(password_in, addresses))
        signing = () if self.webhook_secret is None else listed(self.webhook_secret)
        own = (*self.auth_tokens, *self.records_keys, *signing, *self.nats_secrets, *self.traces_secrets)
        return (*hidden, *own, *passwords)

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


class _Told(PydanticBaseSettingsSource):
    """What the process was told, as pydantic-settings asks for it. Its own readers tell no file and line."""

    def __init__(self, variables: Variables) -> None:
        super().__init__(Settings)
        self._values = variables.values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[str | None, str, bool]:
        """The text of one variable, which is not JSON."""
        del field
        return self._values.get(variable(field_name)), field_name, False

    def __call__(self) -> dict[str, object]:
        """All that were told, by their fields."""
        found = {name: self.get_field_value(field, name)[0] for name, field in Settings.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


VARIABLES: Final = tuple(variable(field) for field in Settings.model_fields)
"""The names of all settings."""


def find_variables(
    environment: Mapping[str, str] | None = None, options: Mapping[str, str] | None = None
) -> Variables:
    """What `environment` tells, or this process: its command line, its environment, its `.env` file."""
    if environment is None:
        return own_variables(VARIABLES, options or {})
    return given_variables(environment, VARIABLES)


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of `environment`, or of this process and its `.env` file.

    Raises:
        SettingsError: something is missing, wrong or called by a name that no setting has; says everything
            that is, at once.
    """
    return settings_of(find_variables(environment))


def settings_of(variables: Variables) -> Settings:
    """The settings that these variables make.

    Raises:
        SettingsError: as `read_settings`.
    """
    try:
        settings = Settings(_build_sources=((_Told(variables),), {}))  # type: ignore[call-arg]  # Not a field.
    except ValidationError as error:
        wrong = [problem_of(fault, _default_of(fault), variables.places) for fault in error.errors()]
        # What could not be read is not missing besides.
        unread = {problem.name for problem in variables.problems}
        wrong = [problem for problem in wrong if problem.name not in unread]
        raise SettingsError((*variables.problems, *wrong)) from None
    if variables.problems:
        raise SettingsError(variables.problems)
    return settings


def _default_of(fault: ErrorDetails) -> object:
    """What holds when the variable that is at fault is not set; None for nothing."""
    return Settings.model_fields[str(fault["loc"][0])].default if fault["loc"] else None
