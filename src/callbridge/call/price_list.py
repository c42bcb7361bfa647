"""All prices by their names, as a list that is passed in: `server/config/prices` reads it. Look-ups only.

What is not in the list has no price. A guess would make every cap on spending a wrong one, and every bill.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from callbridge.call.price import LinePrice, Price, TextPrice, TranscriptionPrice

STREAM: Final = "stream"
"""Media Streams, beside the line of the caller."""
CONFERENCE: Final = "conference"
"""Each of two who talk in a room."""
RECORDING: Final = "recording"
"""What the caller leaves behind the tone."""

_SNAPSHOT: Final = re.compile(r"-\d{4}-\d\d-\d\d$")
_SHOWN: Final = 4
"""Of a number without a price, so much is named: enough for its country, and nobody's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceList:
    """What everything costs, in whole microdollars."""

    as_of: str = ""
    """The day of its oldest part: `2026-10-07`."""
    models: Mapping[str, Price] = field(default_factory=dict)
    """By the name of the model, without the date of a snapshot."""
    transcription: Mapping[str, TranscriptionPrice] = field(default_factory=dict)
    analysis: Mapping[str, TextPrice] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)
    """Per started minute: `inbound +1`, `outbound +1`, `inbound client`, `stream`, `conference`, …"""
    texts: Mapping[str, int] = field(default_factory=dict)
    """Per segment: `text +1`."""

    def model(self, name: str) -> Price | None:
        """What this voice model costs; a dated snapshot costs what the model it is one of does."""
        return self.models.get(name, self.models.get(_SNAPSHOT.sub("", name)))

    def transcription_model(self, name: str) -> TranscriptionPrice | None:
        """The same of a model that writes down what the caller says."""
        return self.transcription.get(name, self.transcription.get(_SNAPSHOT.sub("", name)))

    def text_model(self, name: str) -> TextPrice | None:
        """The same of a model that looks at calls which are over."""
        return self.analysis.get(name, self.analysis.get(_SNAPSHOT.sub("", name)))

    def line(self, caller: str, called: str) -> LinePrice:
        """What the line of a caller costs, and the stream beside it."""
        name = self.inbound(caller, called)
        return LinePrice(name=name, line=self.lines.get(name), stream=self.lines.get(STREAM))

    def inbound(self, caller: str, called: str) -> str:
        """The name of the price of a caller's line: by who calls from an app or over SIP, else the number."""
        scheme = _scheme(caller)
        return f"inbound {scheme}" if scheme else self._by_number("inbound", called, self.lines)

    def outbound(self, address: str) -> str:
        """The name of the price of a call to a person."""
        scheme = _scheme(address)
        return f"outbound {scheme}" if scheme else self._by_number("outbound", address, self.lines)

    def text(self, number: str) -> str:
        """The name of the price of a text to this number."""
        return self._by_number("text", number, self.texts)

    def _by_number(self, kind: str, number: str, prices: Mapping[str, int]) -> str:
        """The longest prefix that has a price; where none has one, the beginning of the number."""
        for length in range(len(number), 1, -1):
            if (name := f"{kind} {number[:length]}") in prices:
                return name
        return f"{kind} {number[:_SHOWN]}" if number.startswith("+") else kind


def _scheme(address: str) -> str:
    """`client` for an app, `sip` for a switchboard; nothing for a telephone."""
    scheme = address.partition(":")[0].lower()
    return {"client": "client", "sip": "sip", "sips": "sip"}.get(scheme, "") if ":" in address else ""
