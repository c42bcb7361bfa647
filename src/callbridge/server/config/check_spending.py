"""Judges the caps on spending."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callbridge.server.config.findings import Finding, ok, warning
from callbridge.server.config.prices import PRICES_AS_OF, price_of
from callbridge.server.config.setting_names import variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from callbridge.server.config.settings import Settings

_SPEND_CAPS = ("spend_per_call_max", "spend_per_hour_max", "spend_per_day_max")
"""From the shortest time to the longest."""


def spending(settings: Settings) -> Iterator[Finding]:
    """Whether the caps on spending hold."""
    caps = {name: getattr(settings, name) for name in _SPEND_CAPS}
    given = [variable(name) for name, cap in caps.items() if cap is not None]
    if not given:
        return
    models = [name for name in (settings.realtime_model, settings.second_model) if name is not None]
    for model in models:
        if price_of(model) is None:
            yield warning(
                f"{' and '.join(given)} cannot hold: the price of {model} is not known",
                "Set a model with a known price, or a budget in the vendor's console.",
            )
    if all(price_of(model) is not None for model in models):
        yield ok(f"spending is counted at the prices of {PRICES_AS_OF}")
    dearest = [cap for cap in caps.values() if cap is not None]
    if dearest != sorted(dearest):
        yield warning(
            f"of {', '.join(given)} a longer time has the lower cap, so the other is never reached",
            "Let the caps grow from call to hour to day, or remove one.",
        )
