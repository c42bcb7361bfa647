"""The price list of the voice models, read once from `prices.toml` beside this module.

Look-ups only. A name that is not there has no price: a guess would make every spend cap a wrong one.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from importlib.resources import files
from typing import Final

import msgspec

from callbridge.call.price import Price, microdollars
from callbridge.server.config.models import voice_model


class _Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    input: float
    cached: float
    output: float


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: _Kind
    audio: _Kind

    def price(self) -> Price:
        return Price(
            text_input=microdollars(self.text.input),
            text_cached=microdollars(self.text.cached),
            text_output=microdollars(self.text.output),
            audio_input=microdollars(self.audio.input),
            audio_cached=microdollars(self.audio.cached),
            audio_output=microdollars(self.audio.output),
        )


class _List(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    as_of: dt.date
    source: str
    models: dict[str, _Model]


_LIST: Final = msgspec.convert(
    tomllib.loads(files("callbridge.server.config").joinpath("prices.toml").read_text("utf-8")), _List
)

PRICES: Final = {name: model.price() for name, model in _LIST.models.items()}
"""By the name of the model, without the date of a snapshot."""

PRICES_AS_OF: Final = _LIST.as_of
"""The day of the price list."""


def price_of(model: str) -> Price | None:
    """What this model's tokens cost; a dated snapshot costs what the model it is one of does."""
    known = voice_model(model)
    return PRICES.get(model if known is None else known.name)
