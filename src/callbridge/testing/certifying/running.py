"""Certifying a bridge: its calls are placed one after the other, each against a model of its own.

The only module here that waits, and that knows sockets. What is seen is judged elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from callbridge.simulators.phone import CallerScript, CallSettings, Network, SimulatedCall
from callbridge.simulators.voice_model import serve_model
from callbridge.testing.certifying.certificate import Certificate, certificate
from callbridge.testing.certifying.probes import PLAIN, PROBES, Probe
from callbridge.testing.certifying.seen import Features, Seen, SeenCall, learnt
from callbridge.testing.certifying.table import chosen
from callbridge.testing.certifying.target import TargetError
from callbridge.testing.certifying.verdicts import UndecidedError, not_seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from callbridge.simulators.phone import CallReport
    from callbridge.simulators.voice_model import Journal, ModelServer, Note
    from callbridge.testing.certifying.target import Target

STAGGERED_S = 0.5
"""Between callers who call together: sessions are told apart by their order."""


NO_SESSION = (
    "the bridge took the call and opened no session with our model: "
    "start it with the environment that points it there"
)

LOOK_AT = "look at the address, the auth token (--auth-token) and the certificates (SSL_CERT_FILE)"
"""Where a bridge cannot be called."""

LOOKS_EVERY_S = 0.2
"""While the bridge starts."""


async def certify(
    target: Target,
    *,
    only: Sequence[str] = (),
    on_probe: Callable[[Probe], None] = lambda _probe: None,
) -> Certificate:
    """Place the calls that the checks need, and judge what was seen.

    Args:
        target: the bridge. It must be running, and pointed at the model's address (`Target.environment`).
        only: ids of checks, or their groups; all when empty.
        on_probe: told of each call before it is placed.

    Raises:
        TargetError: a check that does not exist, or a model's address that cannot be had.
    """
    checks = chosen(only)
    wanted = {PLAIN, *(probe for check in checks for probe in check.probes)}
    loop = asyncio.get_running_loop()
    begun_at = loop.time()
    run = _Run(target)
    await _started(target)
    for probe in PROBES.values():
        if probe.id in wanted and not run.trouble:
            on_probe(probe)
            await run.make(probe)
    return certificate(
        checks,
        run.seen(),
        url=target.url,
        version=version("callbridge"),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        lasted_s=loop.time() - begun_at,
        trouble=run.trouble,
    )


class _Run:
    """The calls of one run so far."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._features = Features(has_webhook=target.has_webhook)
        self._calls: dict[str, Sequence[SeenCall]] = {}
        self._not_for: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self.trouble = ""
        """Why no further call makes sense."""

    def seen(self) -> Seen:
        """All that was seen."""
        return Seen(self._features, self._calls, self._not_for, self._failed)

    async def make(self, probe: Probe) -> None:
        """Place the calls of one probe."""
        reason = probe.not_for(self._features, self._target)
        if reason is not None:
            self._not_for[probe.id] = reason
            return
        calls, sessions = await self._place(probe)
        try:
            self._calls[probe.id] = _matched(calls, sessions)
        except UndecidedError as undecided:
            self._failed[probe.id] = str(undecided)
        if probe.id == PLAIN:
            self._learn()

    async def _place(self, probe: Probe) -> tuple[list[tuple[SimulatedCall, CallReport]], list[Journal]]:
        target, ended = self._target, asyncio.Event()

        def look(_journal: Journal, note: Note) -> None:
            if note.kind == "ended":
                ended.set()

        try:
            async with serve_model(
                probe.script(self._features, target),
                host=target.model_host,
                port=target.model_port,
                settings=probe.session,
                tls=target.model_tls,
                on_event=look,
            ) as model:
                calls = await self._called(probe)
                await _closed(model, ended, probe.closes_s)
                return calls, model.sessions
        except OSError as error:
            raise TargetError(
                f"the model cannot be served at {target.model_host}:{target.model_port}: {error.strerror}; "
                "end what listens there, or choose another --model-port and start the bridge with it"
            ) from error

    async def _called(self, probe: Probe) -> list[tuple[SimulatedCall, CallReport]]:
        callers = probe.callers(self._features)
        delays = list(probe.delays_ms) * (len(callers) // len(probe.delays_ms))
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._call(probe, CallerScript(list(steps)), delay_ms, place * STAGGERED_S))
                for place, (steps, delay_ms) in enumerate(zip(callers, delays, strict=True))
            ]
        return [task.result() for task in running]

    async def _call(
        self, probe: Probe, caller: CallerScript, delay_ms: float, after_s: float
    ) -> tuple[SimulatedCall, CallReport]:
        target = self._target
        settings = CallSettings(
            account_sid=target.account_sid,
            auth_token=target.auth_token,
            # Bridges have limits for one caller.
            from_number=f"+1555{secrets.randbelow(10**7):07}",
            document=target.document,
            network=Network(delay_ms=delay_ms),
            misbehaviours=probe.misbehaviours,
            max_call_s=min(probe.lasts_s_max, target.call_s_max),
        )
        await asyncio.sleep(after_s)
        call = SimulatedCall(target.url, caller, settings)
        return call, await call.run()

    def _learn(self) -> None:
        """Of the first call; where it did not come about no other one makes sense."""
        try:
            (call,) = self._calls[PLAIN]
            _ = call.stream
            if not call.sessions:
                self._give_up(NO_SESSION)
                return
            self._features = learnt(
                call, has_webhook=self._target.has_webhook, hang_up_tool=self._target.hang_up_tool
            )
        except UndecidedError as undecided:
            self._give_up(f"{undecided}; {LOOK_AT}")

    def _give_up(self, why: str) -> None:
        self.trouble = self._failed[PLAIN] = why
        del self._calls[PLAIN]


async def _started(target: Target) -> None:
    """Wait until the bridge takes connections; one that does not will be told of by the first call."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(target.wait_s):
            while not await _is_listening(*target.address):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(LOOKS_EVERY_S)


async def _is_listening(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def _closed(model: ModelServer, ended: asyncio.Event, closes_s: float) -> None:
    """Wait until all sessions are over, for a while."""
    try:
        async with asyncio.timeout(closes_s):
            while not all(journal.ended for journal in model.sessions):
                ended.clear()
                await ended.wait()
    except TimeoutError:
        return


def _matched(
    calls: Sequence[tuple[SimulatedCall, CallReport]], sessions: Sequence[Journal]
) -> list[SeenCall]:
    """Each call with its sessions; of several at once the n-th session belongs to the n-th call.

    Raises:
        UndecidedError: several calls, and not one session for each.
    """
    shares: list[Sequence[Journal]] = [sessions]
    if len(calls) > 1:
        if len(sessions) != len(calls):
            raise not_seen(f"{len(calls)} calls at once opened {len(sessions)} sessions")
        shares = [[session] for session in sessions]
    return [
        SeenCall(
            report=report,
            streams=call.streams,
            sessions=share,
            answered_at=call.answered_at,
            delay_ms=call.settings.network.delay_ms,
        )
        for (call, report), share in zip(calls, shares, strict=True)
    ]
