"""Keys that the agent presses: tones in the audio, once nobody of ours speaks. How long each is, and what is
left of them when the phone is cleared.

Media Streams take no DTMF from us (Twilio docs, "DTMF message": inbound only), so the far end hears the keys
as sound. Unlike words they are not to be cut by somebody who speaks: a menu that goes on talking waits for
them.
"""

from __future__ import annotations

import math
import re
from collections import deque
from typing import TYPE_CHECKING, Final

from callbridge.call.actions import PlayKeys
from callbridge.call.ear.playout import KEYS
from callbridge.call.facts import noted, warned

if TYPE_CHECKING:
    from callbridge.call.ear.playout import Playout
    from callbridge.call.outbox import Outbox

TONE_MS: Final = 100
"""How long a key sounds. A receiver takes what lasts 40 ms (ITU-T Q.24, table A-1), and many want 80."""
GAP_MS: Final = 100
"""The silence behind it; a receiver wants 40 ms, and many 80."""
PAUSE_MS: Final = 500
"""How long a `w` is, as in Twilio's own `digits`."""
KEYS_MAX: Final = 32
"""As many as Twilio's `SendDigits` takes."""
SURELY_HEARD_MS: Final = 40
"""What was heard of a cut key for so long counts as pressed (ITU-T Q.24); otherwise it is pressed again."""
WAITING_MAX: Final = 8
"""Presses that wait for the end of the agent's words. More is a loop, and no dialling."""

_PRESSABLE: Final = re.compile(rf"[0-9A-D*#w]{{1,{KEYS_MAX}}}", re.ASCII)


def are_pressable(keys: str) -> bool:
    """Whether these are keys of a telephone, A to D among them, and `w` for half a second."""
    return _PRESSABLE.fullmatch(keys) is not None


def rest_of(keys: str, heard_ms: int) -> str:
    """What is still to be pressed when only so much of the sound was heard."""
    begin_ms = 0
    for at, key in enumerate(keys):
        enough_ms = PAUSE_MS if key == "w" else SURELY_HEARD_MS
        if heard_ms < begin_ms + enough_ms:
            return keys[at:]
        begin_ms += PAUSE_MS if key == "w" else TONE_MS + GAP_MS
    return ""


class PressedKeys:
    """Those of one call: what waits to be pressed, and what is on its way.

    Args:
        playout: the ledger, which knows what the phone was cleared of.
        out: where actions and facts go.
    """

    def __init__(self, playout: Playout, out: Outbox) -> None:
        self._playout, self._out = playout, out
        self.waiting: deque[str] = deque()
        """What was wanted and has not left."""
        self._sent: dict[str, str] = {}
        """What is on its way, by its name in the ledger."""
        self.sent_at = -math.inf
        """When some left last."""
        self._count = 0

    def wanted(self, keys: str) -> None:
        """Some are to be pressed."""
        assert are_pressable(keys), "whoever wants them looks at them first"
        if len(self.waiting) < WAITING_MAX:
            self.waiting.append(keys)
        else:
            self._out.note(warned("keys_dropped", count=len(keys)))

    def settle(self, now: float, *, is_free: bool) -> None:
        """Presses what waits, and again what a clear has taken from the phone.

        Args:
            now: monotonic seconds.
            is_free: no words of ours are being made.
        """
        cuts = self._playout.take_cut_keys()
        rests = [rest_of(self._sent.pop(cut.item_id, ""), cut.heard_ms) for cut in cuts]
        self.waiting.extendleft(reversed([rest for rest in rests if rest]))
        if not is_free or not self.waiting:
            return
        if self._playout.is_drained:
            self._sent.clear()
        self.sent_at = now
        while self.waiting:
            self._press(self.waiting.popleft())

    def _press(self, keys: str) -> None:
        self._count += 1
        name = f"{KEYS}_{self._count}"
        self._sent[name] = keys
        self._out.note(noted("keys_sent", count=len(keys.replace("w", ""))))  # Which ones may be a secret.
        self._out.do(PlayKeys(keys, name))
