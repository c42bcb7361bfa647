"""The house rules, read off the syntax trees of `src/callbridge`.

Each rule is a function from modules to complaints; it must find nothing in the house, and must find what is
wrong in a small bad example.
"""

from __future__ import annotations

import ast
import gc
import re
import sys
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = "callbridge"

# --- Reading ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Import:
    """One imported thing, as far as it can be told without running anything."""

    target: str
    line: int
    is_for_types_only: bool


@dataclass(frozen=True)
class Module:
    """A module by its dotted name; a package is known by its folder's name."""

    name: str
    text: str
    is_package: bool = False

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All of its tree: most rules look at each."""
        return tuple(ast.walk(self.tree))

    @property
    def room(self) -> str:
        """`wire`, `call`, …; the package's own face is the room with no name."""
        return self.name.partition(".")[2].partition(".")[0]

    @property
    def height(self) -> int:
        """How high it lies within its room; what is in no inner room lies above them."""
        inner = INNER_ROOMS.get(self.room, ())
        name = self.name.partition(".")[2].partition(".")[2].partition(".")[0]
        return inner.index(name) if name in inner else len(inner)

    def at(self, line: int) -> str:
        return f"{self.name}:{line}"

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(self._walk_imports(self.tree, is_for_types_only=False))

    def _walk_imports(self, node: ast.AST, *, is_for_types_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                continue  # No import stands in an expression.
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, is_for_types_only)
            elif isinstance(child, ast.ImportFrom):
                origin = self._origin(child)
                for alias in child.names:
                    yield Import(f"{origin}.{alias.name}", child.lineno, is_for_types_only)
            elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
                for guarded in child.body:
                    yield from self._walk_imports(
                        ast.Module([guarded], type_ignores=[]), is_for_types_only=True
                    )
                for other in child.orelse:
                    yield from self._walk_imports(
                        ast.Module([other], type_ignores=[]), is_for_types_only=is_for_types_only
                    )
            else:
                yield from self._walk_imports(child, is_for_types_only=is_for_types_only)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        base = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*base, *filter(None, [node.module])])


@cache
def house() -> tuple[Module, ...]:
    """Every module of the package."""
    modules = []
    for path in sorted((SOURCE / PACKAGE).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        modules.append(Module(name, path.read_text(encoding="utf-8"), is_package))
    # Trees stay. To look for garbage among them, again and again, takes four times as long as to read them.
    gc.disable()
    for module in modules:
        _ = module.nodes
    gc.enable()
    return tuple(modules)


@cache
def house_names() -> frozenset[str]:
    """The names of all modules."""
    return frozenset(module.name for module in house())


def resolved(target: str, names: Iterable[str]) -> str:
    """The module that `target` means: itself, or the one that it is an attribute of."""
    known = names if isinstance(names, dict | frozenset) else frozenset(names)
    while target not in known and "." in target:
        target = target.rpartition(".")[0]
    return target


def is_within(name: str, place: str) -> bool:
    """Whether the dotted `name` is `place` or something in it."""
    return name == place or name.startswith(f"{place}.")


def named(text: str, name: str = "callbridge.wire.example") -> Module:
    """A module made up for an example."""
    return Module(name, text)


def test_the_house_was_found() -> None:
    """No rule can hold by looking at nothing."""
    rooms = {module.room for module in house()}
    assert rooms == {*STOREYS, "simulators"}
    assert {f"{PACKAGE}.{room}.{inner}" for room, inners in INNER_ROOMS.items() for inner in inners} <= {
        module.name for module in house()
    }


class TestReading:
    def test_every_form_of_import_is_seen(self) -> None:
        text = (
            "import a.b, c as d\n"
            "from e import f as g\n"
            "from . import h\n"
            "from ..i import j\n"
            "def k():\n    from l import m\n"
            "if TYPE_CHECKING:\n    import n\nelse:\n    import o\n"
            "try:\n    import p\nexcept ImportError:\n    import q\n"
        )
        imports = named(text, "callbridge.room.module").imports
        assert [entry.target for entry in imports] == [
            "a.b", "c", "e.f", "callbridge.room.h", "callbridge.i.j", "l.m", "n", "o", "p", "q",
        ]  # fmt: skip
        assert [entry.target for entry in imports if entry.is_for_types_only] == ["n"]

    def test_a_package_imports_from_itself(self) -> None:
        package = Module("callbridge.room", "from .module import x\nfrom .. import y", is_package=True)
        assert [entry.target for entry in package.imports] == ["callbridge.room.module.x", "callbridge.y"]

    def test_an_imported_name_is_found_in_its_module(self) -> None:
        names = ["callbridge", "callbridge.wire", "callbridge.wire.audio"]
        assert resolved("callbridge.wire.audio.SILENCE", names) == "callbridge.wire.audio"
        assert resolved("callbridge.wire.audio", names) == "callbridge.wire.audio"
        assert resolved("callbridge.wire.unknown", names) == "callbridge.wire"
        assert resolved("asyncio.tasks.Task", names) == "asyncio"


# --- Storeys ----------------------------------------------------------------------------------------

STOREYS = {
    "wire": 1,
    "call": 2,
    "bridge": 3,
    "agents": 3,
    "telephony": 3,
    "state": 3,
    "records": 3,
    "observe": 3,
    "switchboard": 4,
    "server": 5,
    "console": 5,
    "": 6,  # What users import.
    "fields": 6,  # So too: the types of a form's fields.
    "openai_agents": 6,  # So too: agents of the OpenAI Agents SDK.
    "testing": 7,
    "cli": 8,
}

INNER_ROOMS = {
    "bridge": ("legs",),
    "server": ("config", "process", "http", "errands"),
}
"""Rooms within a room, the lowest first: each may import those before it, and what lies beside them all."""

SIMULATORS_MAY_IMPORT = ("callbridge.simulators", "callbridge.wire.audio")


def imports_against_the_storeys(modules: Iterable[Module]) -> list[str]:
    """Imports go down. Beside each other, rooms of one storey know types at most.

    The simulators stand outside of the house: they take nothing from it but numbers of µ-law, because a fake
    that shares our parsing would agree with our mistakes; and only the command line and tests start them.
    """
    return [
        f"{module.at(entry.line)} imports {entry.target}"
        for module in modules
        for entry in module.imports
        if is_within(entry.target, PACKAGE) and not _may_import(module, entry)
    ]


def _may_import(module: Module, entry: Import) -> bool:
    target = resolved(entry.target, house_names())
    room = Module(target, "").room
    if module.room == "simulators":
        return any(is_within(target, place) for place in SIMULATORS_MAY_IMPORT)
    if room == "simulators":
        return module.room in {"cli", "testing"}
    if room not in STOREYS or module.room not in STOREYS:
        return False  # A room without a storey: give it one above.
    if room == module.room:
        return Module(target, "").height <= module.height
    ours, theirs = STOREYS[module.room], STOREYS[room]
    return theirs < ours or (theirs == ours and entry.is_for_types_only)


def test_imports_go_down_only() -> None:
    assert imports_against_the_storeys(house()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("callbridge.wire.example", "from callbridge.call.machine import Call"),
        ("callbridge.wire.example", "from callbridge import Agent"),
        ("callbridge.wire.example", "if TYPE_CHECKING:\n    from callbridge.call import actions"),
        ("callbridge.call.example", "def f():\n    import callbridge.bridge.relay"),
        ("callbridge.call.example", "from ..bridge import relay"),
        ("callbridge.bridge.example", "from callbridge.server.config import settings"),
        ("callbridge.bridge.example", "from callbridge.agents.agent import Agent"),
        ("callbridge.bridge.legs.example", "from callbridge.bridge.relay import Relay"),
        ("callbridge.state.example", "from callbridge.switchboard.callers import key_of"),
        ("callbridge.switchboard.example", "from callbridge.server.config.settings import Settings"),
        ("callbridge.server.config.example", "from callbridge.server.process.desk import Desk"),
        ("callbridge.server.config.example", "import callbridge.server.http.app"),
        ("callbridge.server.process.example", "from callbridge.server.http import app"),
        (
            "callbridge.server.process.example",
            "if TYPE_CHECKING:\n    from callbridge.server.http.media import MediaDoor",
        ),
        ("callbridge.server.process.example", "from callbridge.server.errands import numbers"),
        ("callbridge.server.http.example", "from callbridge.server.errands.numbers import Numbers"),
        ("callbridge.server.http.example", "from callbridge import Agent"),
        ("callbridge.server.example", "from callbridge.cli import main"),
        ("callbridge.server.example", "from callbridge.simulators.phone import place_call"),
        ("callbridge.simulators.example", "from callbridge.wire import media_streams"),
        ("callbridge.simulators.example", "from callbridge.call.ear.playout import Playout"),
        ("callbridge.simulators.example", "if TYPE_CHECKING:\n    from callbridge.bridge.legs import leg"),
        ("callbridge.attic.example", "from callbridge.wire import audio"),
    ],
)
def test_an_import_that_goes_up_is_found(name: str, text: str) -> None:
    assert len(imports_against_the_storeys([named(text, name)])) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("callbridge.call.example", "from callbridge.wire import audio"),
        ("callbridge.call.example", "from callbridge.call import limits"),
        (
            "callbridge.bridge.example",
            "if TYPE_CHECKING:\n    from callbridge.agents.tools.toolbox import Toolbox",
        ),
        ("callbridge.bridge.example", "from callbridge.bridge.legs.leg import SocketLeg"),
        ("callbridge.server.process.example", "from callbridge.server.config.settings import Settings"),
        ("callbridge.server.http.example", "from callbridge.server.process.desk import Desk"),
        ("callbridge.server.process.example", "from callbridge.switchboard.circuit import Circuit"),
        ("callbridge.cli.example", "from callbridge.simulators.phone import place_call"),
        ("callbridge.simulators.example", "from callbridge.wire.audio import SILENCE"),
    ],
)
def test_an_import_that_goes_down_is_allowed(name: str, text: str) -> None:
    assert imports_against_the_storeys([named(text, name)]) == []


def cycles(modules: Iterable[Module]) -> list[str]:
    """Modules that need each other, those needed for types only included."""
    known = {module.name: module for module in modules}
    needs = {
        name: {resolved(entry.target, known) for entry in module.imports} & set(known) - {name}
        for name, module in known.items()
    }
    while leaves := {name for name, needed in needs.items() if not needed & set(needs)}:
        needs = {name: needed for name, needed in needs.items() if name not in leaves}
    return sorted(name for name in needs if _reaches(name, name, needs))


def _reaches(start: str, goal: str, needs: dict[str, set[str]]) -> bool:
    seen: set[str] = set()
    waiting = list(needs[start])
    while waiting:
        name = waiting.pop()
        if name == goal:
            return True
        if name not in seen:
            seen.add(name)
            waiting.extend(needs.get(name, ()))
    return False


def test_no_modules_need_each_other() -> None:
    assert cycles(house()) == []


def test_a_cycle_is_found() -> None:
    one = named("from callbridge.wire import two", "callbridge.wire.one")
    two = named("import callbridge.wire.three", "callbridge.wire.two")
    three = named("if TYPE_CHECKING:\n    from callbridge.wire.one import X", "callbridge.wire.three")
    above = named("import callbridge.wire.one", "callbridge.wire.above")
    assert cycles([one, two, three, above]) == [one.name, three.name, two.name]
    assert cycles([one, two, above]) == []


# --- Libraries --------------------------------------------------------------------------------------

ONLY_IN: dict[str, tuple[str, ...]] = {
    "fastapi": (
        "callbridge.server.http",
        "callbridge.server.process",
        "callbridge.server.preparing",
        "callbridge.console",
    ),
    "starlette": (
        "callbridge.server.http",
        "callbridge.server.process",
        "callbridge.console",
        "callbridge.cli.mcp_server.listening",
    ),
    "jinja2": ("callbridge.console", "callbridge.testing"),
    "pytest": ("callbridge.testing.plugin", "callbridge.testing.collecting"),
    "watchfiles": ("callbridge.cli.development",),
    "uvicorn": ("callbridge.server.process.listening",),
    "prometheus_client": ("callbridge.observe", "callbridge.server.process"),
    "httpcore": ("callbridge.agents.http",),
    "agents": ("callbridge.agents.openai_agents",),
    "jmespath": ("callbridge.agents.http",),
    "pydantic_settings": ("callbridge.server.config",),
    "twilio": ("callbridge.telephony",),
    "aiohttp": ("callbridge.telephony.rest",),
    "sqlalchemy": ("callbridge.state", "callbridge.records"),
    "redis": ("callbridge.state",),
    "alembic": ("callbridge.records",),
    "psycopg": ("callbridge.records",),
    "cryptography": ("callbridge.records",),
    "pyarrow": ("callbridge.records",),
    "mcp": ("callbridge.agents.mcp", "callbridge.cli.mcp_server"),
    "mcp_types": ("callbridge.agents.mcp", "callbridge.cli.mcp_server"),
    "httpx2": ("callbridge.agents.mcp",),
    "anyio": ("callbridge.agents.mcp",),
    "nats": ("callbridge.server.process.outbox",),
    "nkeys": ("callbridge.server.process.outbox.nats_trust",),
    "boto3": ("callbridge.records.recording",),
    "soundfile": ("callbridge.records.recording",),
    "opentelemetry": ("callbridge.observe.tracing.exporting",),
    "picows": ("callbridge.bridge.legs",),
    "aiofastnet": ("callbridge.bridge.legs",),
    "typer": ("callbridge.cli",),
    "rich": ("callbridge.cli",),
    "openai": (
        "callbridge.records.analysis",
        "callbridge.testing.persona",
    ),  # Calls themselves speak without it: its types judge ours.
}
"""Libraries that have a room of their own."""

PURE = ("callbridge.wire", "callbridge.call", "callbridge.switchboard")
IMPURE = frozenset(
    {"asyncio", "concurrent", "threading", "multiprocessing", "subprocess", "signal", "time"}
    | {"random", "secrets", "uuid", "logging", "os", "io", "pathlib"}
    | {"socket", "select", "selectors", "ssl", "http", "urllib"}
)
"""Parts of the standard library that wait, look at the world or roll dice."""


SIMULATORS_MAY_USE = frozenset({"msgspec", "websockets", "httpx", "uvicorn"})
"""Besides the standard library: they must not share a judgement about a vendor with the service."""


def libraries_out_of_place(modules: Iterable[Module]) -> list[str]:
    """A library outside of its room; in the pure rooms, all but msgspec and the pure standard library."""
    return [
        f"{module.at(entry.line)} imports {entry.target}"
        for module in modules
        for entry in module.imports
        if not _may_use(module.name, entry.target.partition(".")[0])
    ]


def _may_use(name: str, library: str) -> bool:
    if library == PACKAGE:
        return True
    if any(is_within(name, room) for room in PURE):
        return library == "msgspec" or (library in sys.stdlib_module_names and library not in IMPURE)
    if is_within(name, "callbridge.simulators"):
        return library in SIMULATORS_MAY_USE or library in sys.stdlib_module_names
    return library not in ONLY_IN or any(is_within(name, room) for room in ONLY_IN[library])


def test_libraries_stay_in_their_rooms() -> None:
    assert libraries_out_of_place(house()) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("callbridge.wire.example", "import asyncio"),
        ("callbridge.wire.example", "from time import monotonic"),
        ("callbridge.call.example", "import random"),
        ("callbridge.call.example", "def f():\n    import logging"),
        ("callbridge.call.example", "import os.path"),
        ("callbridge.call.example", "import socket"),
        ("callbridge.call.example", "import structlog"),
        ("callbridge.call.example", "import pydantic"),
        ("callbridge.bridge.example", "from starlette.websockets import WebSocket"),
        ("callbridge.switchboard.example", "import asyncio"),
        ("callbridge.switchboard.example", "import structlog"),
        ("callbridge.switchboard.example", "from time import monotonic"),
        ("callbridge.bridge.example", "from picows import WSFrame"),
        ("callbridge.cli.serve", "import uvicorn"),
        ("callbridge.server.config.example", "import fastapi"),
        ("callbridge.server.process.example", "import pydantic_settings"),
        ("callbridge.server.example", "from twilio.twiml.voice_response import VoiceResponse"),
        ("callbridge.server.example", "if TYPE_CHECKING:\n    from typer import Typer"),
        ("callbridge.server.example", "import sqlalchemy.orm"),
        ("callbridge.server.example", "import typer"),
        ("callbridge.wire.realtime_events", "import openai"),
        ("callbridge.simulators.example", "import twilio"),
        ("callbridge.simulators.example", "import pydantic"),
    ],
)
def test_a_library_out_of_place_is_found(name: str, text: str) -> None:
    assert len(libraries_out_of_place([named(text, name)])) == 1


def test_a_library_in_its_place_is_allowed() -> None:
    text = "import dataclasses, msgspec"
    assert libraries_out_of_place([named(text)]) == []
    assert libraries_out_of_place([named("import twilio.twiml", "callbridge.telephony.twiml")]) == []


ENVIRONMENT = frozenset({"environ", "environb", "getenv", "putenv"})
READS_THE_ENVIRONMENT = "callbridge.server.config"


def readers_of_the_environment(modules: Iterable[Module]) -> list[str]:
    """Settings are read once and in one place. Names of variables in the CLI's options are only names."""
    return [
        module.at(node.lineno)
        for module in modules
        if not is_within(module.name, READS_THE_ENVIRONMENT)
        for node in module.nodes
        if (isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT)
        or (isinstance(node, ast.ImportFrom) and {alias.name for alias in node.names} & ENVIRONMENT)
    ]


def test_only_the_settings_read_the_environment() -> None:
    assert readers_of_the_environment(house()) == []


@pytest.mark.parametrize(
    "text", ["import os\nx = os.environ['X']", "from os import getenv", "import os as o\no.getenv('X')"]
)
def test_a_reader_of_the_environment_is_found(text: str) -> None:
    assert len(readers_of_the_environment([named(text, "callbridge.cli.example")])) == 1
    assert readers_of_the_environment([named(text, f"{READS_THE_ENVIRONMENT}.settings")]) == []


# --- Size -------------------------------------------------------------------------------------------

FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 500


def too_long(modules: Iterable[Module]) -> list[str]:
    """Functions and modules that nobody can hold in mind."""
    found = []
    for module in modules:
        length = len(module.text.splitlines())
        if length > MODULE_LINES_MAX:
            found.append(f"{module.name} has {length} lines")
        for node in module.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    found.append(f"{module.at(node.lineno)} {node.name} has {lines} lines")
    return found


def test_functions_and_modules_are_short() -> None:
    assert too_long(house()) == []


def test_what_is_too_long_is_found() -> None:
    body = "    pass\n"
    assert too_long([named("def f():\n" + body * 59)]) == []
    assert len(too_long([named("def f():\n" + body * 60)])) == 1
    assert len(too_long([named("class C:\n    async def f(self):\n" + "        pass\n" * 60)])) == 1
    assert too_long([named("x = 1\n" * 500)]) == []
    assert len(too_long([named("x = 1\n" * 501)])) == 1


# --- Calls that are not made ------------------------------------------------------------------------


def prints(modules: Iterable[Module]) -> list[str]:
    """The service logs, the command line has its console."""
    return [
        module.at(node.lineno)
        for module in modules
        for node in module.nodes
        if isinstance(node, ast.Name) and node.id == "print"
    ]


def test_nothing_is_printed() -> None:
    assert prints(house()) == []


def test_a_print_is_found() -> None:
    assert len(prints([named("def f():\n    print('x')"), named("show = print")])) == 2


LOGS = frozenset({"bind", "debug", "info", "warning", "error", "critical", "exception", "noted", "warned"})
TELEPHONES = frozenset({"caller", "called", "caller_id", "forwarded_from", "dial", "phone"})


def unmasked_telephones(modules: Iterable[Module]) -> list[str]:
    """Whoever serves our app may have set up logging without our redaction: numbers are masked before it."""
    return [
        f"{module.at(node.lineno)} {keyword.arg}"
        for module in modules
        for node in module.nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in LOGS
        for keyword in node.keywords
        if keyword.arg in TELEPHONES and "masked_number(" not in ast.unparse(keyword.value)
    ]


def test_no_telephone_is_logged_as_it_is() -> None:
    assert unmasked_telephones(house()) == []


def test_a_telephone_in_a_log_is_found() -> None:
    logs = "log.bind(caller=c)\n_log.info('x', called=form.get('To'))\nwarned('x', caller=c)"
    assert len(unmasked_telephones([named(logs)])) == 3
    assert unmasked_telephones([named("log.bind(caller=masked_number(c))\nf(caller=c)")]) == []


def unowned_tasks(modules: Iterable[Module]) -> list[str]:
    """Tasks that no `TaskGroup` waits for: their failures are lost and they outlive their call."""
    return [
        module.at(node.lineno)
        for module in modules
        for node in module.nodes
        if (isinstance(node, ast.Attribute) and _starts_an_unowned_task(node))
        or (isinstance(node, ast.ImportFrom) and {alias.name for alias in node.names} & _TASK_STARTERS)
    ]


_TASK_STARTERS = frozenset({"create_task", "ensure_future"})


def _starts_an_unowned_task(node: ast.Attribute) -> bool:
    owner = ast.unparse(node.value)
    is_loop = owner == "asyncio" or owner.endswith(("loop", "_loop()"))
    return node.attr == "ensure_future" or (node.attr == "create_task" and is_loop)


def test_every_task_has_an_owner() -> None:
    assert unowned_tasks(house()) == []


@pytest.mark.parametrize(
    "text",
    [
        "asyncio.create_task(work())",
        "asyncio.ensure_future(work())",
        "from asyncio import create_task",
        "asyncio.get_running_loop().create_task(work())",
        "self._loop.create_task(work())",
        "start = asyncio.create_task",
    ],
)
def test_a_task_without_an_owner_is_found(text: str) -> None:
    assert len(unowned_tasks([named(text)])) == 1


def test_a_task_of_a_group_has_an_owner() -> None:
    assert unowned_tasks([named("tasks.create_task(work())\nself._tasks.create_task(work())")]) == []


# --- Broad excepts ----------------------------------------------------------------------------------

BROAD = {
    (
        "callbridge.server.process.people",
        "_alone",
    ): "our fault costs one transfer; a hold ends anyway",
    ("callbridge.agents.tools.tool", "Tool.answer"): "a user's code may raise anything; the call goes on",
    ("callbridge.agents.tools.tool", "Tool.answer_async"): "so here",
    ("callbridge.agents.tools.tool", "Tool.fault_in"): "and here",
    ("callbridge.agents.tools.tool", "Tool.finish"): "and here",
    ("callbridge.agents.tools.given", "GivenTool.answer_async"): "and here",
    ("callbridge.agents.tools.given", "GivenTool.fault_in"): "and here",
    (
        "callbridge.agents.texts",
        "asked_with",
    ): "a user's function may raise anything; the caller is answered",
    ("callbridge.agents.forms.plan", "_checked"): "a user's validator may raise anything; the call goes on",
    ("callbridge.agents.values", "restored"): "so here",
    ("callbridge.agents.tools.leash", "Leash._drive"): "handed on to the coroutine that waits",
    (
        "callbridge.agents.choosing.loading",
        "_imported",
    ): "a user's module may raise anything while it is imported",
    (
        "callbridge.agents.mcp.connection",
        "Connection.live_once",
    ): "a library's, and whatever a server makes of it: it is connected to again",
    ("callbridge.agents.asking", "_outcome"): "handed to who asks",
    ("callbridge.agents.asking", "_in_time.held"): "so here",
    (
        "callbridge.agents.openai_agents.host",
        "Host._enter_late",
    ): "a guest's code may raise; the call goes on",
    ("callbridge.agents.openai_agents.host", "Host._tell"): "so here",
    (
        "callbridge.agents.openai_agents.mcp_servers",
        "SdkLink.live_once",
    ): "the SDK's, a library's, the user's own: it is connected to again",
    ("callbridge.agents.openai_agents.mcp_servers", "SdkLink._close"): "so here; it is gone either way",
    (
        "callbridge.agents.openai_agents.mcp_servers",
        "SharedServer.list_tools",
    ): "then it has none, with a line in the log",
    (
        "callbridge.agents.openai_agents.mcp_servers",
        "SharedServer.call_tool",
    ): "raised again; whether it is still there is seen soon",
    ("callbridge.agents.handoffs.handoff", "Handoff.is_open"): "then it is not there, with a line in the log",
    ("callbridge.agents.openai_agents.host", "Host._do"): "told to the guest's session, and raised again",
    ("callbridge.agents.openai_agents.playing", "Tracked.__init__"): "the tracker is the user's code",
    ("callbridge.agents.openai_agents.playing", "Tracked.told"): "the tracker is the user's code",
    ("callbridge.agents.openai_agents.host", "_read_by"): "and here",
    ("callbridge.agents.openai_agents.plain_tools", "ApartPool.submit.work"): "handed on to who waits",
    ("callbridge.agents.openai_agents.tools", "HostedTool.answer_async"): "and here",
    ("callbridge.agents.flow.following", "_says"): "so here: what it asks of a value is code of the user's",
    ("callbridge.bridge.bridge", "Bridge._run_tasks"): "our fault ends this call and nothing else",
    ("callbridge.bridge.bridge", "Bridge._tell_from_outside"): "our fault ends this call, not who told it",
    ("callbridge.bridge.waiting", "WaitingRoom._dial"): "handed to the call that takes the session",
    ("callbridge.bridge.waiting", "WaitingRoom._tend"): "one session that cannot be closed costs no other",
    ("callbridge.server.process.organs", "guarded"): "an organ that is gone is worse than any fault in it",
    (
        "callbridge.server.config.webhooks",
        "_function",
    ): "a user's module may raise anything while it is imported",
    (
        "callbridge.server.process.outbox.webhook_posting",
        "Posting._made",
    ): "a user's template may raise anything; its attempt has failed",
    ("callbridge.server.process.own_threads", "in_thread.run"): "handed on to who waits",
    (
        "callbridge.server.process.outbox.nats_sending",
        "NatsSending._message",
    ): "our fault with one message holds up none that follows",
    (
        "callbridge.server.process.outbox.nats_connection",
        "_opened",
    ): "whatever ends an opening, its socket goes with it",
    (
        "callbridge.server.process.outbox.nats_connection",
        "_close",
    ): "what cannot be said to a peer any more is dropped with its socket",
    ("callbridge.state.writer", "Writer._is_round_done"): "all calls depend on this thread",
    ("callbridge.state.watch", "Watch._round"): "without renewals the process is taken for dead",
    ("callbridge.state.redis_writer", "RedisWriter._is_round_done"): "so do their memory and tokens",
    ("callbridge.records.taping", "Taping._run"): "a fault of ours costs one tape, and not all to come",
    ("callbridge.records.replaying", "_Player.play"): "whatever the played code raises is a difference",
    ("callbridge.records.shipping", "Shipping._round"): "all records depend on this thread",
    ("callbridge.records.reaping", "Reaper._run"): "without renewals all calls of the process look lost",
    ("callbridge.records.reaping", "Reaper._end"): "our fault with one call leaves no other without an end",
    (
        "callbridge.records.recording.writer",
        "RecordingWriter._is_done_with",
    ): "our fault costs one recording, not all",
    ("callbridge.records.shipping", "Shipping._is_done"): "our fault with one call holds up no other",
    ("callbridge.bridge.legs.dialer", "ModelDialer._open"): "whatever ends a dial, its socket goes with it",
    (
        "callbridge.bridge.legs.callback_leg",
        "CallbackLeg._tell",
    ): "the call's task raises it, not the socket",
    (
        "callbridge.bridge.legs.callback_leg",
        "CallbackLeg.on_ws_frame",
    ): "so here, for one in one frame",
    (
        "callbridge.testing.scenarios.agents",
        "_imported",
    ): "an agent's file may raise anything as it is loaded",
    ("callbridge.testing.running", "run_beside"): "what was to end has ended, however it did",
    ("callbridge.testing.running", "_Beside._work"): "handed on to the test that waits",
    (
        "callbridge.testing.virtual.connection",
        "MemoryTransport._hand_over",
    ): "as in asyncio: a fault of a protocol ends its connection alone",
    (
        "callbridge.cli.mcp_server.answering",
        "Answering._told",
    ): "our fault costs one answer, and nobody outside is told of our insides",
    (
        "callbridge.observe.log_writer",
        "LogWriter.emit",
    ): "a value's repr may raise anything; the call goes on",
}
"""The only places that catch whatever comes."""


def broad_excepts(modules: Iterable[Module]) -> list[tuple[str, str]]:
    """Where everything is caught: module and function."""
    return [
        (module.name, ".".join(scope))
        for module in modules
        for scope, node in _scoped(module.tree, ())
        if _catches_everything(node)
    ]


def _scoped(node: ast.AST, scope: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], ast.AST]]:
    for child in ast.iter_child_nodes(node):
        yield scope, child
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _scoped(child, (*scope, child.name))
        else:
            yield from _scoped(child, scope)


def _catches_everything(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        caught = [node.type] if node.type is not None else []
        if not caught:
            return True
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        caught = list(node.args)
    else:
        return False
    names = {name.id for part in caught for name in ast.walk(part) if isinstance(name, ast.Name)}
    return bool(names & {"Exception", "BaseException"})


def test_everything_is_caught_in_named_places_only() -> None:
    """Each once, and no place is named here that is no more."""
    assert sorted(broad_excepts(house())) == sorted(BROAD)


@pytest.mark.parametrize(
    "caught",
    [
        "try:\n        g()\n    except Exception:\n        pass",
        "try:\n        g()\n    except (OSError, BaseException) as error:\n        raise error",
        "try:\n        g()\n    except:\n        pass",
        "try:\n        g()\n    except* Exception:\n        pass",
        "with contextlib.suppress(Exception):\n        g()",
    ],
)
def test_a_broad_except_is_found(caught: str) -> None:
    text = f"def f():\n    {caught}\n"
    assert broad_excepts([named(text)]) == [("callbridge.wire.example", "f")]


def test_a_narrow_except_is_allowed() -> None:
    assert broad_excepts([named("try:\n    g()\nexcept (OSError, asyncio.CancelledError):\n    raise")]) == []


# --- Files ------------------------------------------------------------------------------------------


def without_docstring(modules: Iterable[Module]) -> list[str]:
    """A module says first what lives in it."""
    return [module.name for module in modules if not (ast.get_docstring(module.tree) or "").strip()]


def test_every_module_says_what_lives_in_it() -> None:
    assert without_docstring(house()) == []


def test_a_module_that_says_nothing_is_found() -> None:
    assert (
        without_docstring([named("x = 1"), named(""), named('""" """'), named('"""Words."""')])
        == ["callbridge.wire.example"] * 3
    )


LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def leftovers(modules: Iterable[Module]) -> list[str]:
    """What somebody meant to do later."""
    return [
        f"{module.at(number)} {line.strip()}"
        for module in modules
        for number, line in enumerate(module.text.splitlines(), 1)
        if LEFTOVER.search(line)
    ]


def test_nothing_is_left_for_later() -> None:
    assert leftovers(house()) == []


@pytest.mark.parametrize("word", ["TODO", "FIXME", "XXX"])
def test_a_leftover_is_found(word: str) -> None:
    assert len(leftovers([named(f"x = 1  # {word}: more"), named("sid = 'MZXXXX'")])) == 1


ENTRY_POINTS = {
    "callbridge": "what users import",
    "callbridge.fields": "the types of a form's fields, for users too",
    "callbridge.openai_agents": "agents of the OpenAI Agents SDK, for users too",
    "callbridge.cli": "the `callbridge` command",
    "callbridge.console": "the pages of `callbridge dev`",
    "callbridge.testing": "what users import in their tests",
    "callbridge.testing.plugin": "what pytest loads",
}

READ_BY_ALEMBIC = "callbridge.records.migrations"
"""Its folders are read, and the versions in them run."""


def dead_files(modules: Iterable[Module]) -> list[str]:
    """Modules that nothing in the house needs. A package lives as long as something in it does."""
    known = {module.name: module for module in modules}
    needed = {
        resolved(entry.target, known)
        for module in known.values()
        for entry in module.imports
        if resolved(entry.target, known) != module.name
    }
    return [
        name
        for name, module in known.items()
        if name not in ENTRY_POINTS
        and not is_within(name, READ_BY_ALEMBIC)
        and name.rpartition(".")[2] != "__main__"
        and not any(is_within(used, name) if module.is_package else used == name for used in needed)
    ]


def test_no_file_is_dead() -> None:
    assert dead_files(house()) == []


def test_a_dead_file_is_found() -> None:
    package = Module("callbridge.wire", "", is_package=True)
    used = named("", "callbridge.wire.used")
    user = named("from callbridge.wire.used import x", "callbridge.cli")
    dead = named("import callbridge.wire.dead", "callbridge.wire.dead")
    empty = Module("callbridge.attic", "", is_package=True)
    assert dead_files([package, used, user, dead, empty]) == [dead.name, empty.name]


OF_USERS = ("callbridge", "callbridge.fields", "callbridge.flow", "callbridge.testing")
"""What users write agents with: what the classes that these offer can do is theirs to use."""

FACES = (
    "callbridge",
    "callbridge.testing",
    "callbridge.simulators.account",
    "callbridge.simulators.phone",
    "callbridge.simulators.voice_model",
)
"""What these packages offer is used: users import it, the simulators' for tests of their own agents."""

STARTED_FROM_OUTSIDE = {
    "callbridge.cli.main": "the script that pyproject names",
    "callbridge.agents.agent.Agent.capture": "users write it",
}

CALLED_BY_LIBRARIES = {
    "wrap_bio": "asyncio",
    "on_ws_connected": "picows",
    "on_ws_disconnected": "picows",
    "on_ws_frame": "picows",
    "connect_tcp": "httpcore",
    "handle_async_request": "httpx2",
    "connection_lost": "asyncio",
    "connection_made": "asyncio",
    "eof_received": "asyncio",
    "resume_writing": "picows",
    "writelines": "picows",
    "capture_signals": "uvicorn",
    "handle_events": "uvicorn",
    "emit": "logging",
    "add_listener": "the OpenAI Agents SDK",
    "remove_listener": "the OpenAI Agents SDK",
    "send_event": "the OpenAI Agents SDK",
    "send_event_if": "the OpenAI Agents SDK",
    "update_agent": "who uses the OpenAI Agents SDK",
    "handle_exit": "uvicorn",
    "handle_websocket_upgrade": "uvicorn",
    "main_loop": "uvicorn",
    "next_event": "uvicorn",
    "on_response_complete": "uvicorn",
    "parse_args": "typer",
    "reportinfo": "pytest",
    "repr_failure": "pytest",
    "runtest": "pytest",
    "process_bind_param": "sqlalchemy",
    "pytest_addoption": "pytest",
    "process_redirect": "websockets",
    "process_result_value": "sqlalchemy",
    "generate_span_id": "opentelemetry",
    "generate_trace_id": "opentelemetry",
    "is_trace_id_random": "opentelemetry",
    "get_auth_string": "twilio",
    "get_response": "starlette",
    "get_field_value": "pydantic-settings",
    "settings_customise_sources": "pydantic-settings",
    "to_auth_strategy": "twilio",
}
"""Methods that are there for somebody else's code."""

CALLED_BY_ASYNCIO = "callbridge.testing.virtual"
"""A loop, transports and servers have what asyncio and libraries ask of such."""

NOTED_CALLS = {
    f"callbridge.state.{owner}.recent_calls": "who tests limits of callers sees what was noted"
    for owner in ("divided_state.DividedState",)  # Which asks one of the others.
}

READ_BY_TESTS = {
    **NOTED_CALLS,
    "callbridge.simulators.account.account.SimulatedAccount.call_in": "who tests numbers calls them",
    "callbridge.simulators.account.telephone.QuietExchange.call_in": "who tests calls has some come in",
    "callbridge.simulators.phone.call.SimulatedCall.requests": "who tests webhooks sends them again",
    "callbridge.simulators.text_model.completions.TextModel.will": "who tests an analysis says what is found",
}
"""Public names that nothing in the house reads, and why they stay."""


@dataclass(frozen=True)
class Definition:
    """A public function, class, method or constant of a module."""

    path: str
    name: str
    first: int
    last: int


def dead_names(modules: Iterable[Module]) -> list[str]:
    """Public names that nothing in the house uses: no other module, and nothing beside them in their own.

    Told by the name alone: what shares its name with something that is used, passes.
    """
    by_module = {module.name: _uses(module) for module in modules}
    used_in: dict[str, set[str]] = {}
    for place, uses in by_module.items():
        for name, _line in uses:
            used_in.setdefault(name, set()).add(place)
    offered = {
        alias.name
        for module in modules
        if module.name in OF_USERS
        for node in module.nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return [
        public.path
        for module in modules
        for public in _definitions(module)
        if public.path.split(".")[-2] not in offered
        and not used_in.get(public.name, set()) - {module.name}
        and public.name not in CALLED_BY_LIBRARIES
        and not public.name.startswith("pytest_")
        and not is_within(public.path, READ_BY_ALEMBIC)
        and not is_within(public.path, CALLED_BY_ASYNCIO)
        and public.path not in STARTED_FROM_OUTSIDE
        and not any(
            name == public.name and not public.first <= line <= public.last
            for name, line in by_module[module.name]
        )
    ]


def _uses(module: Module) -> list[tuple[str, int]]:
    """Names that are read, with their lines. A package that only passes a name on does not use it."""
    found = []
    for node in module.nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.append((node.id, node.lineno))
        elif isinstance(node, ast.Attribute):
            found.append((node.attr, node.lineno))
        elif isinstance(node, ast.ImportFrom) and (not module.is_package or module.name in FACES):
            found.extend((alias.name, node.lineno) for alias in node.names)
    return found


def _definitions(module: Module) -> Iterator[Definition]:
    for node in module.tree.body:
        yield from _public(node, module.name)
        if isinstance(node, ast.ClassDef):
            methods = (part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef))
            for method in methods:
                yield from _public(method, f"{module.name}.{node.name}")


def _public(node: ast.stmt, place: str) -> Iterator[Definition]:
    for name in _defined(node):
        if not name.startswith("_"):
            yield Definition(f"{place}.{name}", name, node.lineno, node.end_lineno or node.lineno)


def _defined(node: ast.stmt) -> list[str]:
    """Names that a statement gives. A function that a decorator registers somewhere needs none."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
        return [node.name] if decorators <= PLAIN_DECORATORS else []
    if isinstance(node, ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


PLAIN_DECORATORS = frozenset(
    {"property", "cached_property", "setter", "cache", "staticmethod", "classmethod", "override"}
    | {"abstractmethod", "contextmanager", "asynccontextmanager"}
)


def test_no_name_is_dead() -> None:
    assert set(dead_names(house())) == READ_BY_TESTS.keys()


def test_a_dead_name_is_found() -> None:
    text = (
        "USED = 1\nDEAD = 2\n_own = 3\n"
        "def used():\n    return _own\n"
        "def dead():\n    return dead()\n"
        "class Used:\n"
        "    def used_too(self):\n        pass\n"
        "    @property\n    def dead_too(self):\n        return self.dead_too\n"
        "    def on_ws_frame(self):\n        pass\n"
        "@agent.tool\ndef registered():\n    pass\n"
    )
    module = named(text)
    face = Module("callbridge.wire", "from callbridge.wire.example import DEAD, Used", is_package=True)
    user = named("from callbridge.wire.example import USED, used, Used\nUsed().used_too()", "callbridge.cli")
    dead = [f"{module.name}.{name}" for name in ("DEAD", "dead", "Used.dead_too")]
    assert dead_names([module, face, user]) == dead


# --- The page -----------------------------------------------------------------------------------------


ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
NOT_OURS = frozenset({"media", "clear", "truncate", "delete", "speech_started", "session.updated"}) | {
    *("input_audio_buffer.append", "send", "callbridge"),
}
"""Words of the two wires, what every leg does, and the command."""
WITH_ITS_OWNER = {"handle": "CallMachine", "deadline": "CallMachine"}


def names_on(page: str) -> list[str]:
    """What stands between backticks: a file, a folder, a class, a method, or a word of the wires."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL))


def unknown_names(names: Iterable[str], modules: Sequence[Module]) -> list[str]:
    """Those that nothing in the house bears."""
    bearers = _bearers(modules)
    return [
        name
        for name in names
        if not (name in NOT_OURS or _is_file(name) or _is_route(name, modules) or _is_borne(name, bearers))
    ]


def _is_route(name: str, modules: Iterable[Module]) -> bool:
    return name.startswith("/") and any(f'"{name}"' in module.text for module in modules)


def _is_file(name: str) -> bool:
    places = (ROOT, ROOT / "src" / "callbridge", ROOT / "src" / "callbridge" / "server")
    return "/" in name and any((place / name.rpartition(" ")[2]).exists() for place in places)


def _is_borne(name: str, bearers: Mapping[str, set[str]]) -> bool:
    """Whether there is such a `Class.method`, class, method or table."""
    owner, _, part = re.sub(r"\(.*\)", "", name).rpartition(".")
    if not owner:
        owner = WITH_ITS_OWNER.get(part, "")
    return part in bearers.get(owner, set()) if owner else part in bearers


def _bearers(modules: Iterable[Module]) -> dict[str, set[str]]:
    """Every class, function and table with what it contains."""
    found: dict[str, set[str]] = {}
    for module in modules:
        for node in module.tree.body:
            for name in _defined(node):
                parts = node.body if isinstance(node, ast.ClassDef) else []
                found.setdefault(name, set()).update(part for one in parts for part in _defined(one))
    return found


def test_every_name_on_the_page_exists() -> None:
    names = names_on(PAGE.read_text(encoding="utf-8"))
    assert len(names) > 50
    assert unknown_names(names, house()) == []


@pytest.mark.parametrize(
    "name", ["Relay.from_nowhere", "Earphone", "call/ears/", "call/rule.py", "handle_it"]
)
def test_a_name_that_nobody_bears_is_found(name: str) -> None:
    assert unknown_names([name], house()) == [name]


VAGUE = frozenset(
    {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"}
    | {"service", "services", "handler", "handlers"}
)


def vague_names(modules: Iterable[Module]) -> list[str]:
    """Files named after nothing that lives in them."""
    return [module.name for module in modules if VAGUE & set(re.split(r"[._]", module.name))]


def test_files_are_named_after_what_lives_in_them() -> None:
    assert vague_names(house()) == []


def test_a_vague_name_is_found() -> None:
    bad = ["callbridge.utils", "callbridge.call.call_manager", "callbridge.common.x"]
    assert vague_names([named("", name) for name in [*bad, "callbridge.server.process.serving"]]) == bad


SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore)")
EXPLAINED = re.compile(r"#\s*(noqa: [A-Z]+\d+(, [A-Z]+\d+)*|type: ignore\[[a-z-]+(, [a-z-]+)*\])\s+[#-] \w+")


def unexplained_suppressions(modules: Iterable[Module]) -> list[str]:
    """A rule is broken by its name and for a reason on the same line, or not at all."""
    return [
        f"{module.at(number)} {line.strip()}"
        for module in modules
        for number, line in enumerate(module.text.splitlines(), 1)
        if SUPPRESSION.search(line) and not EXPLAINED.search(line)
    ]


def test_every_suppression_has_a_reason() -> None:
    assert unexplained_suppressions(house()) == []


@pytest.mark.parametrize(
    "line", ["x = 1  # noqa", "x = 1  # noqa: E501", "x = y  # type: ignore", "x = y  # type: ignore[misc]"]
)
def test_a_suppression_without_a_reason_is_found(line: str) -> None:
    assert len(unexplained_suppressions([named(line)])) == 1
    assert unexplained_suppressions([named("x = y  # type: ignore[misc]  # it ships no types")]) == []
