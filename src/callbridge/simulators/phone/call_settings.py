"""How a call is placed: who calls whom, over which network, and what goes wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from callbridge.simulators.phone.incoming import Incoming
from callbridge.simulators.phone.line_settings import LineSettings
from callbridge.simulators.phone.media_socket import Network
from callbridge.simulators.phone.stream import StreamSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from callbridge.simulators.phone.leg import Leg
    from callbridge.simulators.phone.misbehaviour import Misbehaviour
    from callbridge.simulators.phone.signature import SharedKey
    from callbridge.simulators.phone.steps import Dialled, EnterRoom, Ring

ACCOUNT_SID = "AC" + "5" * 32
"""Used when no account is given: well formed, and nobody's."""

AUTH_TOKEN = "simulated-auth-token"  # noqa: S105 - signs calls between two local programs
"""Used when no token is given; the service must be told the same."""

FROM_NUMBER = "+15550100001"
TO_NUMBER = "+15550100002"


class Switching(Protocol):
    """What a call needs of the exchange at which it takes place (`exchange.Exchange`)."""

    def enroll(self, leg: Leg) -> None:
        """A call takes place there from now on."""

    def line(self, line: LineSettings) -> LineSettings:
        """A call's line, where the account's own numbers may be shown."""
        ...

    async def dial(self, parent: Leg, step: Ring, connected: Callable[[], None]) -> Dialled:
        """Carry out a `<Dial>`; `connected` is told when somebody is."""
        ...

    async def enter(self, leg: Leg, step: EnterRoom) -> str | None:
        """Carry out a `<Dial><Conference>`: `DialCallStatus`, or None for a leg that was not let in."""
        ...


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How a call is placed. The defaults are an ordinary call over a perfect network."""

    account_sid: str = ACCOUNT_SID
    auth_token: str = AUTH_TOKEN
    next_auth_token: str | None = None
    """Signs what follows the first webhook: the account's token was rotated meanwhile."""
    shared_key: SharedKey | None = None
    """Signs the webhooks, in place of the auth token; the media socket keeps to that."""
    from_number: str = FROM_NUMBER
    to_number: str = TO_NUMBER
    incoming: Incoming = field(default_factory=Incoming)
    """What the first request says beside the numbers."""
    document: str | None = None
    """TwiML to be executed at once, in place of asking the voice URL: for whoever has a media socket and no
    webhook."""
    call_sid: str | None = None
    """Made up when None."""
    method: str = "POST"
    """How the number's voice URL is asked."""
    status_callback_url: str | None = None
    """The number's status callback; asked when the call has ended."""
    network: Network = field(default_factory=Network)
    line: LineSettings = field(default_factory=LineSettings)
    stream: StreamSettings = field(default_factory=StreamSettings)
    stream_delay_ms: int = 0
    """What the carrier takes from a `<Connect>` to its first packet for the media socket."""
    misbehaviours: frozenset[Misbehaviour] = frozenset()
    parameter_overrides: Mapping[str, str] = field(default_factory=dict)
    """Replaces `<Parameter>` values in `start`, as an attacker with a stolen token would."""
    verb_time: float = 0.0
    """How much of the time that Say, Pause, Dial and the like take is waited for: 1 as in life. The report
    counts the whole of it either way."""
    action_after_hang_up: bool = False
    """Ask `<Connect action>` also after the caller hung up, and ignore the answer. Twilio does not
    document it either way, so a bridge must be able to live with both."""
    max_call_s: float = 600.0
    """The caller hangs up at the latest then."""
    action_lags: bool = False
    """When a call is redirected, the action of the verb that it leaves is asked after the new document."""
    asks_connect_when_moved: bool = True
    """Ask `<Connect action>` of a call that is redirected, as Twilio does with that of `<Dial>`. It documents
    it for `<Dial>` only, so a bridge must be able to live with both."""
    exchange: Switching | None = None
    """Whom `<Dial>` rings. Without one, what becomes of it is scripted (`LineSettings.dial_outcome`)."""
    stays_on_this_machine: bool = False
    """Nothing is asked, and no socket opened, but on loopback: whatever the service's answers name."""
    save: Path | None = None
    """Where to put the stereo recording."""
