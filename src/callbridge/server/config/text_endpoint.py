"""Which text model tests of agents may ask: read of the same variables as the service's, and of no others.

A test needs no account at Twilio, so the other settings may be missing. Without a key nothing is asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, create_model

from callbridge.call.price_list import PriceList
from callbridge.server.config.prices import PricesError, read_prices
from callbridge.server.config.setting_names import variable
from callbridge.server.config.setting_problems import problem_of
from callbridge.server.config.setting_values import is_loopback
from callbridge.server.config.settings import Settings, find_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_KEY: Final = "any"
"""What an endpoint on this machine is given that asks for none."""

_FIELDS: Final = ("analysis_url", "analysis_model", "test_model", "test_dollars", "prices")
_KINDS: Final[dict[str, Any]] = {
    name: (Settings.model_fields[name].annotation, Settings.model_fields[name]) for name in _FIELDS
}
_Told: Any = create_model("_Told", **_KINDS)


@dataclass(frozen=True, slots=True)
class TextEndpoint:
    """Where a text model is asked, and for how much."""

    url: str
    key: SecretStr
    model: str
    dollars: float
    """What a run of tests may spend."""
    prices: PriceList = field(default_factory=PriceList, repr=False)
    is_local: bool = False
    """On this machine: nobody is billed."""


@dataclass(frozen=True, slots=True)
class NoTextModel:
    """Why no text model is asked."""

    why: str
    """With what to do about it."""
    is_mistake: bool = False
    """Somebody has set it up, and wrongly: a test that needs one fails then, and is not skipped."""


def text_endpoint(environment: Mapping[str, str] | None = None) -> TextEndpoint | NoTextModel:
    """The text model of the settings in `environment`, or of this process and its `.env`."""
    values = find_variables(environment).values
    try:
        told = _told(values)
    except ValidationError as error:
        return NoTextModel(str(problem_of(error.errors()[0], None, {})), is_mistake=True)
    is_local = is_loopback(urlsplit(told.analysis_url).hostname or "")
    key = values.get(variable("openai_api_key"), NO_KEY if is_local else "")
    if not key:
        return NoTextModel("no text model is asked: OPENAI_API_KEY is not set")
    model = told.test_model or told.analysis_model
    if model is None:
        return NoTextModel("no text model is asked: set CALLBRIDGE_TEST_MODEL, to gpt-5-mini for instance")
    try:
        prices = read_prices(told.prices).list
    except PricesError as error:
        return NoTextModel(str(error), is_mistake=True)
    return TextEndpoint(told.analysis_url, SecretStr(key), model, told.test_dollars, prices, is_local)


def dollars_of_a_run(environment: Mapping[str, str] | None = None) -> float:
    """What a run of tests may spend, whichever models it asks.

    Raises:
        ValueError: the setting cannot be used.
    """
    try:
        dollars: float = _told(find_variables(environment).values).test_dollars
    except ValidationError as error:
        raise ValueError(str(problem_of(error.errors()[0], None, {}))) from error
    return dollars


def _told(values: Mapping[str, str]) -> Any:
    return _Told(**{name: values[variable(name)] for name in _FIELDS if variable(name) in values})
