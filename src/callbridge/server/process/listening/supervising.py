"""The supervisor: the shell of `switchboard/workers.py`, with its processes, signals, lines and sockets.

It serves no call. It listens, so that the port is never without somebody who listens; it starts workers as
fresh interpreters, by the command line that it was started by itself, so that a new one has the code and the
settings of that moment. A fork would bring threads that are half there, locks that nobody lets go, and one
event loop for two.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING, Final, assert_never

import structlog

from callbridge.server.process.listening.seat import BEAT, ENDS, READY, STEPS, Board, Order, Seat
from callbridge.switchboard.heartbeats import BEAT_S, Heartbeats
from callbridge.switchboard.sharing import ABSENT
from callbridge.switchboard.workers import (
    Begun,
    Event,
    Exited,
    Finish,
    Hung,
    Kill,
    News,
    Ready,
    RestartAsked,
    Start,
    StopAsked,
    Tell,
    TellLeave,
    TellStop,
    TimePassed,
    Workers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from callbridge.switchboard.workers import Action

CANNOT_START: Final = 71
"""EX_OSERR of sysexits.h: the system starts no process."""

_log = structlog.get_logger()


class _Child:
    """One worker, from the supervisor's side."""

    def __init__(self, process: subprocess.Popen[bytes], line: socket.socket, number: int) -> None:
        self.process, self.line, self.number = process, line, number

    def tell(self, order: Order) -> None:
        with contextlib.suppress(OSError):  # It is gone, which its end will tell.
            self.line.send(order.value)


class Supervisor:
    """Runs workers until they are told to stop, or cannot be started.

    Args:
        command: starts a worker, with its seat behind it.
        public: where Twilio is listened to.
        control: where operators ask each worker, in the order of their numbers; empty: nobody can.
        workers: says what is to be done.
    """

    def __init__(
        self,
        command: Sequence[str],
        public: Sequence[socket.socket],
        control: Sequence[socket.socket],
        workers: Workers,
    ) -> None:
        assert len(control) in {0, workers.count}
        self._command, self._public, self._control = tuple(command), public, control
        self._workers = workers
        self._beats = Heartbeats()
        self._children: dict[int, _Child] = {}
        self._status: asyncio.Future[int] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._next_look: asyncio.TimerHandle | None = None
        self._terminal = _terminal()

    def run(self) -> int:
        """Until no worker is left; the exit status."""
        return asyncio.run(self._run())

    async def _run(self) -> int:
        self._status = asyncio.get_running_loop().create_future()
        with tempfile.TemporaryFile() as shared:
            self._shared = shared.fileno()
            self._board = Board.made(self._shared, self._workers.count)
            with contextlib.closing(self._board), self._signals_heard():
                self._tell(Begun())
                self._look()
                try:
                    return await self._status
                finally:
                    self._let_go()

    @contextlib.contextmanager
    def _signals_heard(self) -> Iterator[None]:
        heard = {
            signal.SIGTERM: self._stop,
            signal.SIGINT: self._stop,
            signal.SIGHUP: self._hung_up,
            signal.SIGCHLD: self._reap,
        }
        # Who started us with `nohup` wants us to outlive the terminal.
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            del heard[signal.SIGHUP]
        loop = asyncio.get_running_loop()
        for number, answer in heard.items():
            loop.add_signal_handler(number, answer)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)

    def _let_go(self) -> None:
        for timer in (self._timer, self._next_look):
            if timer is not None:
                timer.cancel()
        if self._terminal is not None:
            os.close(self._terminal)

    # --- What happens ---

    def _stop(self) -> None:
        self._tell(StopAsked())

    def _hung_up(self) -> None:
        """SIGHUP: somebody wants new workers, unless it is the terminal that has gone, as for any command."""
        has_gone = self._terminal is not None and not os.isatty(self._terminal)
        self._tell(StopAsked() if has_gone else RestartAsked())

    def _reap(self) -> None:
        """Children have ended: workers; and, where this is process 1 of a container, anybody's."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._ended(pid, os.waitstatus_to_exitcode(status))

    def _look(self) -> None:
        """Once a second: whose event loop still runs."""
        self._next_look = asyncio.get_running_loop().call_later(BEAT_S, self._look)
        for name in self._beats.look():
            self._tell(Hung(name))

    def _ended(self, pid: int, status: int) -> None:
        name = next((name for name, child in self._children.items() if child.process.pid == pid), None)
        if name is None:
            return
        child = self._children.pop(name)
        self._beats.ends(name)
        child.process.returncode = status
        asyncio.get_running_loop().remove_reader(child.line)
        child.line.close()
        if not any(other.number == child.number for other in self._children.values()):
            self._board.write(child.number, ABSENT)
        _log.info("worker_ended", worker=child.number, pid=pid, status=status)
        self._tell(Exited(name, status))

    def _hear(self, name: int) -> None:
        """A worker says something, or has ended, which is told elsewhere."""
        child = self._children[name]
        try:
            said = child.line.recv(64)
        except OSError:
            said = b""
        if not said:
            asyncio.get_running_loop().remove_reader(child.line)
        if READY in said:
            self._tell(Ready(name))
        if BEAT in said:
            self._beats.beat(name)
        if ENDS in said:
            self._beats.ends(name)

    # --- What is done ---

    def _tell(self, event: Event) -> None:
        loop = asyncio.get_running_loop()
        for action in self._workers.handle(event, loop.time()):
            self._perform(action)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._workers.deadline
        if deadline is not None:
            self._timer = loop.call_at(deadline, self._tell, TimePassed())

    def _perform(self, action: Action) -> None:
        match action:
            case Start(name, number):
                self._start(name, number)
            case TellLeave(name):
                self._order(name, Order.LEAVE)
            case TellStop(name, step):
                self._order(name, STEPS[step])
            case Kill(name):
                if name in self._children:
                    self._children[name].process.kill()
            case Tell(news, number, status, again_in_s):
                _say(news, number, status, again_in_s)
            case Finish(status):
                assert self._status is not None, "it runs"
                self._status.set_result(status)
            case _:
                assert_never(action)

    def _order(self, name: int, order: Order) -> None:
        if name in self._children:
            self._children[name].tell(order)

    def _start(self, name: int, number: int) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            seat = self._seat(number, theirs)
            try:
                process = subprocess.Popen(  # noqa: S603 - our own command
                    (*self._command, str(seat)),
                    pass_fds=seat.descriptors,
                    # Ctrl-C at a terminal is for the supervisor alone, who passes on what it means.
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                _log.error("worker_not_started", worker=number, reason=error.strerror or str(error))
                loop = asyncio.get_running_loop()
                loop.call_soon(self._tell, Exited(name, CANNOT_START))
                return
        self._children[name] = _Child(process, ours, number)
        asyncio.get_running_loop().add_reader(ours, self._hear, name)
        _log.info("worker_started", worker=number, pid=process.pid)

    def _seat(self, number: int, line: socket.socket) -> Seat:
        return Seat(
            number=number,
            of=self._workers.count,
            line=line.fileno(),
            board=self._shared,
            public=tuple(listener.fileno() for listener in self._public),
            control=self._control[number].fileno() if self._control else None,
        )


def _terminal() -> int | None:
    """The terminal of this process, to be asked later whether it is there; nothing without one."""
    try:
        return os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None


_REMEDIES: Final = {
    News.DIED: "its calls are continued by the others",
    News.NOT_READY: "it is killed: what is loaded at the start takes too long",
    News.HUNG: "its event loop hangs and it did not end itself, so it is killed: see what it said last",
    News.OVERDUE: "it is killed: its last calls are continued by the others",
    News.RESTART_GIVEN_UP: "the old workers go on: mend what the new one said, and send SIGHUP again",
    News.GIVEN_UP: "mend what the worker said, and start the service again",
}


def _say(news: News, number: int | None, status: int | None, again_in_s: float | None) -> None:
    found = {"worker": number, "status": status, "again_in_s": again_in_s, "remedy": _REMEDIES.get(news)}
    told = {name: value for name, value in found.items() if value is not None}
    level = _log.info if news is News.RESTARTED else _log.error
    level(news.value, **told)
