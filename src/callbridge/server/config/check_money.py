"""What `callbridge check` says of money: the caps on spending, and whether they can hold.

`serve` says the same in its log at every start (`spend_caps`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callbridge.agents.agent import Agent
from callbridge.server.config.findings import Finding, ok, warning
from callbridge.server.config.models import transcription_model, voice_model
from callbridge.server.config.plan import model_of, second_model_of
from callbridge.server.config.prices import OLD_AFTER_DAYS, Prices, read_prices
from callbridge.server.config.setting_names import variable
from callbridge.switchboard.spending import ENDS_CALLS_AT_PERCENT

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from callbridge.agents.choosing.choice import Roster
    from callbridge.server.config.settings import Settings

_CAPS: Final = {"spend_per_call_max": "a call", "spend_per_hour_max": "an hour", "spend_per_day_max": "a day"}
"""From the shortest time to the longest."""


def spend_caps(settings: Settings) -> dict[str, float]:
    """The caps that there are, in US dollars, by the time that each is for, from the shortest on."""
    caps = {time: getattr(settings, name) for name, time in _CAPS.items()}
    return {time: cap for time, cap in caps.items() if cap is not None}


def in_words(caps: dict[str, float]) -> str:
    """As `$25 an hour, $100 a day`."""
    return ", ".join(f"${cap:g} {time}" for time, cap in caps.items()) or "none"


def models_without_price(settings: Settings, roster: Roster | None) -> dict[str, tuple[str, ...]]:
    """Models whose calls no cap bounds, with the agents that they speak for: their cost is not known.

    Those that cannot answer cost nothing. Without a roster it is the models of the settings.
    """
    found: dict[str, tuple[str, ...]] = {}
    prices = read_prices(settings.prices).list
    for name, agent in (roster.agents if roster else {"": Agent()}).items():
        for model in (model_of(settings, agent), second_model_of(settings, agent)):
            if model is not None and _can_answer(model) and prices.model(model) is None:
                found[model] = (*found.get(model, ()), name)
    return found


def _can_answer(model: str) -> bool:
    known = voice_model(model)
    return known is None or known.unfit is None


def check_money(settings: Settings, roster: Roster | None, today: dt.date) -> Iterator[Finding]:
    """The caps by name, and what is wrong with them and with the prices."""
    caps, unpriced = spend_caps(settings), models_without_price(settings, roster)
    prices = read_prices(settings.prices)
    given = {name for name, time in _CAPS.items() if time in caps}
    if settings.spend_per_hour_max is None and settings.spend_per_day_max is None:
        yield warning(
            "there is no cap on what all calls together cost",
            "Set CALLBRIDGE_SPEND_PER_DAY_MAX to what a day may cost in US dollars, or remove it.",
        )
    for model, agents in unpriced.items() if caps else ():
        is_of_all = roster is None or len(agents) == len(roster.agents)
        whose = "" if is_of_all else f", which speaks for {', '.join(agents)},"
        yield warning(
            f"the caps on spending cannot hold: the price of {model}{whose} is not known",
            "Write it into a file that CALLBRIDGE_PRICES names, or set a model with a known price.",
        )
    if caps and not unpriced:
        yield ok(
            f"spending is capped at {in_words(caps)}, at the prices of {prices.list.as_of}; "
            f"live calls end at {ENDS_CALLS_AT_PERCENT} % of a cap for all"
        )
    yield from _check_prices(settings, prices, today)
    # Of those that somebody has chosen: a cap of $10 a day needs no other for the hour.
    chosen = {name: caps[time] for name, time in _CAPS.items() if name in settings.model_fields_set & given}
    if list(chosen.values()) != sorted(chosen.values()):
        yield warning(
            f"of {', '.join(map(variable, chosen))} a longer time has the lower cap, "
            "so the other is never reached",
            "Let the caps grow from call to hour to day, or switch one off.",
        )


def _check_prices(settings: Settings, prices: Prices, today: dt.date) -> Iterator[Finding]:
    if old := prices.older_than(OLD_AFTER_DAYS, today):
        yield warning(
            f"prices of {min(old.values())} ({', '.join(old)}) are older than {OLD_AFTER_DAYS} days: "
            "what calls cost, and when a cap is reached, may be wrong",
            "Name a file with those of today in CALLBRIDGE_PRICES, or upgrade callbridge.",
        )
    model = settings.transcription_model
    # Of one that nobody knows something is said already.
    if transcription_model(model) is not None and prices.list.transcription_model(model) is None:
        yield warning(
            f"the price of {model} is not known: transcripts are on no bill",
            "Write it into a file that CALLBRIDGE_PRICES names.",
        )
    model = settings.analysis_model or ""
    if model and prices.list.text_model(model) is None:
        yield warning(
            f"the price of {model} is not known: analyses are on no bill",
            "Write it under [analysis] into a file that CALLBRIDGE_PRICES names.",
        )
