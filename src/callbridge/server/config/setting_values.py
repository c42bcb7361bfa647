"""How single values of the configuration are read: what each kind may be, and the words when it is not.

Each rule is about one variable and looks at nothing else, neither at files nor at the network. Rules between
variables stand with the settings.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Callable, Container
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr

from callbridge.agents.languages.codes import checked_language
from callbridge.agents.time_zones import is_time_zone
from callbridge.server.config.prices import PricesError, read_prices
from callbridge.switchboard.callers import known_as

_DEFAULT_PORTS = {"http": 80, "https": 443}

AUTH_TOKENS_MAX: Final = 4
"""Beside the account's own: two while it is rotated, and Twilio has three regions."""

SECRET_KEY_CHARACTERS_MIN: Final = 32
"""128 bits if they are hexadecimal digits."""

CONTROL_KEY_CHARACTERS_MIN: Final = 16
"""Too many to be guessed over the network."""

ASSISTANT_TOKEN_CHARACTERS_MIN: Final = 32
"""It lies in configurations of other programs, which pass it on: 128 bits if they are hexadecimal digits."""

_PATH: Final = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
"""What reaches every program unchanged: no escapes, no dots that lead elsewhere."""

_ROUTES: Final = ("/twilio/voice", "/media-stream")
"""Ours, which are easily entered with the address."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""A country code and at most 15 digits in all. Nothing in it can end the attribute of a TwiML verb."""

_MESSAGING_SERVICE: Final = re.compile(r"MG[0-9a-f]{32}")

_SAY_VOICE: Final = re.compile(
    r"man|woman|Polly\.[A-Za-z]+(-[A-Za-z]+)?|Google\.[A-Za-z]{2,3}(-[A-Za-z0-9]+)+"
)
_SAY_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def base_url(url: str) -> str:
    """An address of a service brought to one form; a ValueError says what is wrong with it."""
    parts = _address(url, _DEFAULT_PORTS, "https://my-calls.fly.dev")
    host = parts.hostname or ""
    path = parts.path.rstrip("/")
    if parts.query or parts.fragment or not _PATH.fullmatch(path):
        raise ValueError("must be a host, and perhaps a plain path, without query or fragment")
    if path.endswith(_ROUTES):
        raise ValueError("must be what stands before /twilio/voice and /media-stream, without these")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user name or password")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must begin with https:// (http:// is for this machine alone)")
    if "_" in host:
        raise ValueError("has an underscore in its host name, which Twilio refuses")
    is_default_port = parts.port in {None, _DEFAULT_PORTS[parts.scheme]}
    # The host as it was written: Twilio signs capitals as they were entered.
    written = parts.netloc[: parts.netloc.lower().index(host) + len(host)] + ("]" if ":" in host else "")
    return f"{parts.scheme}://{written}{'' if is_default_port else f':{parts.port}'}{path}"


def listed(secrets: SecretStr) -> list[str]:
    """The single ones of several secrets that are separated by commas."""
    return [secret.strip() for secret in secrets.get_secret_value().split(",")]


def _auth_tokens(secrets: SecretStr) -> SecretStr:
    if not all(listed(secrets)):
        raise ValueError("must be auth tokens, with a comma between one and the next")
    for token in listed(secrets):
        _auth_token(SecretStr(token))
    if len(listed(secrets)) > AUTH_TOKENS_MAX:
        raise ValueError(f"must be at most {AUTH_TOKENS_MAX} auth tokens: each request is compared with all")
    return secrets


def _secret_key(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < SECRET_KEY_CHARACTERS_MIN:
        raise ValueError(
            f"must have at least {SECRET_KEY_CHARACTERS_MIN} characters, as `openssl rand -hex 32` makes them"
        )
    return secret


def _bearer(characters_min: int) -> Callable[[SecretStr], SecretStr]:
    """What stands behind `Bearer` in a header."""

    def checked(secret: SecretStr) -> SecretStr:
        key = secret.get_secret_value()
        if len(key) < characters_min:
            raise ValueError(f"must have at least {characters_min} characters")
        if not _KEY.fullmatch(key):
            raise ValueError("has a space or a letter that no header can carry")
        return secret

    return checked


def _vendors_name(name: str) -> str:
    # It goes into an address, into lines of the log and onto the terminal of who asks `check`.
    if not _ONE_LINE.fullmatch(name):
        raise ValueError("has a space, a line break or a character that is not shown")
    return name


def _database_url(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    if url != "off" and not re.match(r"(postgres(ql)?(\+psycopg)?|sqlite)://.", url):
        raise ValueError("must begin with postgresql:// or sqlite:///, or be off")
    if url.startswith("postgres") and not _SERVER.fullmatch(url.partition("://")[2]):
        raise ValueError(
            "must be an address such as postgresql://user:password@host:5432/name, with a port that is a "
            "number and, in a password, %40 in the place of @"
        )
    return secret


_SERVER: Final = re.compile(r"([^@]*@)?(\[[^\]@]*\]|[^@:/?]*)(:\d*)?(/[^@?]*)?(\?.*)?", re.DOTALL)
"""Of an address, what is behind the scheme. A second @ would be one of the password, of which a part would be
shown as the name of the host."""


def _redis_url(secret: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(secret.get_secret_value())
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:  # Its words would have the address in them, and the password.
        is_whole = False
    if not is_whole or parts.scheme not in {"redis", "rediss"}:
        raise ValueError("must be an address such as redis://host:6379/0, or rediss:// with TLS")
    if not re.fullmatch(r"/?\d*", parts.path):
        raise ValueError("must end in the number of a database: redis://host:6379/0")
    return secret


def password_in(url: str) -> str:
    """The password in an address of a database or of Redis, which may be shown without it; empty for none."""
    try:
        return unquote(urlsplit(url).password or "")
    except ValueError:
        return ""


def _realtime_url(url: str) -> str:
    parts = _address(url, {"wss", "ws"}, "wss://api.openai.com/v1/realtime")
    if parts.scheme == "ws" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with wss:// (ws:// is for this machine alone)")
    if parts.query or parts.fragment:
        raise ValueError("must have no query; the model is set by CALLBRIDGE_REALTIME_MODEL")
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=user + at + host.lower()))


_ONE_LINE: Final = re.compile(r"[^\s\x00-\x1f\x7f-\x9f]+")


def _address(url: str, schemes: Container[str], example: str) -> SplitResult:
    """The parts of `url`, whose host and port can be read and whose scheme is in lower case."""
    # `urlsplit` drops line breaks without a word; whoever sends the text would send them.
    if not _ONE_LINE.fullmatch(url):
        raise ValueError("has a space, a line break or a character that is not shown")
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ValueError(f"must be an address such as {example}")
    if not url.isascii():
        raise ValueError(_in_ascii(parts.hostname or ""))
    return parts


def _in_ascii(host: str) -> str:
    """What is said of an address that is written in letters which the network does not know."""
    if host.isascii():
        return "has letters in its path that an address cannot have"
    try:
        known_as = host.encode("idna").decode()
    except UnicodeError:
        return "has a host name that no host can have"
    return f"has letters in its host name that cannot be looked up. Write the host as {known_as}."


_TWILIO_SID: Final = re.compile(r"(AC|SK)[0-9a-f]{32}")
_KEY: Final = re.compile(r"[!-~]+")
"""What can stand in a header: no space, no line break, no letters from elsewhere."""

_OPENAI_KEYS = "https://platform.openai.com/api-keys"
_CONSOLE = "https://console.twilio.com"


def _model_key(secret: SecretStr) -> SecretStr:
    key = secret.get_secret_value()
    if not _KEY.fullmatch(key):
        raise ValueError(
            "has a space or a character that no key has. Copy it again, on one line and without quotes."
        )
    if found := _TWILIO_SID.fullmatch(key):
        raise ValueError(
            f"has a SID of Twilio ({found[1]}…) in it. Copy the key of the voice model from {_OPENAI_KEYS}."
        )
    return secret


def _auth_token(secret: SecretStr) -> SecretStr:
    token = secret.get_secret_value()
    if token.startswith("sk-"):
        raise ValueError(f"has a key of OpenAI in it. Copy the Auth Token from {_CONSOLE}.")
    if found := _TWILIO_SID.fullmatch(token):
        raise ValueError(
            f"has a SID ({found[1]}…) in it, which is no secret. Copy the Auth Token from {_CONSOLE}."
        )
    return secret


def _sid(sid: str) -> str:
    found = _TWILIO_SID.fullmatch(sid)
    if found is None:
        raise ValueError("must be AC followed by 32 digits 0-9 and letters a-f")
    if found[1] == "SK":
        raise ValueError(
            f"has the SID of an API key (SK…) in it. Copy the Account SID (AC…) from {_CONSOLE}."
        )
    return sid


_HOST_NAME: Final = re.compile(r"[0-9A-Za-z._-]+")


def _host(host: str) -> str:
    if not _HOST_NAME.fullmatch(host) and not _is_ipv6(host):
        raise ValueError("must be an address or a host name alone, such as 127.0.0.1 or ::1")
    return host


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _level(name: str) -> str:
    if name.upper() not in logging.getLevelNamesMapping():
        raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
    return name.upper()


def _output_limit(value: object) -> object:
    if value == "inf":
        return value
    return _number(value, int, 1, 4096, "must be a whole number from 1 to 4096, or inf")


def _truncation(value: object) -> object:
    if value in {"auto", "disabled"}:
        return value
    return _number(value, float, 0, 1, "must be auto, disabled, or a ratio from 0 to 1 such as 0.8")


def _phone_number(text: str) -> str:
    if not _E164.fullmatch(text):
        raise ValueError("must be a phone number with its country code, such as +14155550123")
    return text


def _text_sender(text: str) -> str:
    if not (_E164.fullmatch(text) or _MESSAGING_SERVICE.fullmatch(text)):
        raise ValueError(
            "must be a phone number with its country code, such as +14155550123, or the SID of a Messaging "
            "Service: MG followed by 32 digits 0-9 and letters a-f"
        )
    return text


def _say_voice(text: str) -> str:
    if not _SAY_VOICE.fullmatch(text):
        raise ValueError("must be a voice of Twilio's, such as woman, Polly.Vicki or Google.de-DE-Standard-A")
    return text


def _say_language(text: str) -> str:
    if not _SAY_LANGUAGE.fullmatch(text):
        raise ValueError("must be a language as Twilio spells it, such as de-DE")
    return text


def _time_zone(name: str) -> str:
    if not is_time_zone(name):
        raise ValueError("must be the name of a time zone, such as Europe/Berlin")
    return name


def _sound_file(path: Path) -> Path:
    if path.suffix.lower() not in {".wav", ".ulaw"}:
        raise ValueError("must be a file whose name ends in .wav or .ulaw")
    return path


def _price_file(path: Path) -> Path:
    try:
        read_prices(path)
    except PricesError as error:
        raise ValueError(f"names a price list with a fault: {error}") from error
    return path


def _spend_cap(value: object) -> object:
    if value is None or value == "off":
        return None
    rule = "must be a sum of US dollars such as 25, at least 0.01, or off for no cap"
    return _number(value, float, 0.01, 1e9, rule)


def _days_or_off(value: object) -> object:
    if value is None or value == "off":
        return None
    return _number(value, int, 1, 365, "must be a whole number of days from 1 to 365, or off")


def _calls_of_callers(value: object) -> object:
    """`caller=calls` with commas between: calls at once by the spelling under which a caller is known."""
    if not isinstance(value, str):
        return value
    found: dict[str, int] = {}
    for place, entry in enumerate(value.split(","), 1):
        caller, _, calls = (part.strip() for part in entry.rpartition("="))
        # A user name of SIP would promise what is not kept: callers by SIP are known by their host.
        known = None if caller.startswith("sip") and "@" in caller else known_as(caller)
        if known is None or not re.fullmatch("[0-9]{1,6}", calls) or known in found:
            raise ValueError(
                "must be callers with their calls at once, each once, such as "
                f"+14155550100=30,sip:pbx.example.com=50; entry {place} is not"
            )
        found[known] = int(calls)
    return found


def _number(value: object, kind: type[float], low: float, high: float, rule: str) -> float:
    try:
        number = kind(str(value))
    except ValueError:
        raise ValueError(rule) from None
    if not low <= number <= high:
        raise ValueError(rule)
    return number


AuthTokens = Annotated[SecretStr, AfterValidator(_auth_tokens)]
SecretKey = Annotated[SecretStr, AfterValidator(_secret_key)]
ControlKey = Annotated[SecretStr, AfterValidator(_bearer(CONTROL_KEY_CHARACTERS_MIN))]
AssistantToken = Annotated[SecretStr, AfterValidator(_bearer(ASSISTANT_TOKEN_CHARACTERS_MIN))]
VendorsName = Annotated[str, AfterValidator(_vendors_name)]
Host = Annotated[str, AfterValidator(_host)]
BaseUrl = Annotated[str, AfterValidator(base_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
RealtimeUrl = Annotated[str, AfterValidator(_realtime_url)]
LogLevel = Annotated[str, AfterValidator(_level)]
OutputLimit = Annotated[int | Literal["inf"], BeforeValidator(_output_limit)]
Truncation = Annotated[float | Literal["auto", "disabled"], BeforeValidator(_truncation)]
ModelKey = Annotated[SecretStr, AfterValidator(_model_key)]
AuthToken = Annotated[SecretStr, AfterValidator(_auth_token)]
Sid = Annotated[str, AfterValidator(_sid)]
PhoneNumber = Annotated[str, AfterValidator(_phone_number)]
TextSender = Annotated[str, AfterValidator(_text_sender)]
SayVoice = Annotated[str, AfterValidator(_say_voice)]
SayLanguage = Annotated[str, AfterValidator(_say_language)]
CallersLanguage = Annotated[str, AfterValidator(checked_language)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
SoundFile = Annotated[Path, AfterValidator(_sound_file)]
DaysOrOff = Annotated[int | None, BeforeValidator(_days_or_off)]
PriceFile = Annotated[Path, AfterValidator(_price_file)]
SpendCap = Annotated[float | None, BeforeValidator(_spend_cap)]
CallsOfCallers = Annotated[dict[str, int] | None, BeforeValidator(_calls_of_callers)]
