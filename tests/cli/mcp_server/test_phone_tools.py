"""The tools themselves: which there are, what they find and by which way, what they refuse."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]  # It ships no types.
import pytest

from asked_calls import ENDED, LIVE, WORDS, asked_phone
from beside import beside
from callbridge.cli.control_client import ServiceError
from callbridge.cli.mcp_server.phone import Phone, ServiceRecords
from callbridge.cli.mcp_server.tools import ALLOWED, RefusedError, asked_of, object_schema, offered
from callbridge.server.config.records import records_url
from callbridge.server.http.control import control_app
from callbridge.server.process.keeping.records import open_records
from callbridge.server.process.listening.listening import control_config, tcp_listener
from callbridge.server.process.listening.serving import serving
from desks import CALLER, FrontDesk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

EVERYTHING = offered(ALLOWED, words=True)


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Phone]:
    with asked_phone(tmp_path_factory.mktemp("asked")) as phone:
        yield phone


def ask(phone: Phone, name: str, **arguments: Any) -> Any:
    """What a tool tells, which is what it says that it tells."""
    tool = EVERYTHING[name]
    told = tool.run(phone, asked_of(tool, arguments)).data
    jsonschema.validate(arguments, object_schema(tool.asks))
    jsonschema.validate(told, object_schema(tool.tells))
    return told


@pytest.fixture
def over_the_wire(phone: Phone) -> Iterator[Phone]:
    """The same records, of a service that is asked over its control listener."""

    @contextlib.asynccontextmanager
    async def service() -> AsyncIterator[Phone]:
        front = FrontDesk({"DATABASE_URL": records_url(phone.settings) or ""})
        settings = front.desk.settings
        front.desk.records = records = open_records(settings, front.state, str, lambda: 0.0)
        assert records is not None
        with contextlib.closing(tcp_listener()) as listener, contextlib.closing(records.database):
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            async with serving(control_config(control_app(front.desk), settings), listener):
                yield Phone(settings, ServiceRecords(settings, url), url)

    with beside(service()) as phone:
        yield phone


def test_what_acts_or_tells_of_words_is_not_there_until_it_is_allowed() -> None:
    reading = ["list_calls", "read_call", "read_cost", "read_status"]
    assert list(offered()) == reading
    assert list(offered(words=True)) == [*reading, "read_transcript", "search_calls"]
    assert list(offered(["end"])) == [*reading, "end_call"]
    assert [name for name, tool in EVERYTHING.items() if tool.acts] == ["end_call", "hand_over_call"]


def test_calls_are_found_as_the_command_finds_them(phone: Phone) -> None:
    for arguments, found in (
        ({}, [LIVE, ENDED]),
        ({"state": "live"}, [LIVE]),
        ({"since": "2026-11-19"}, [LIVE]),
        ({"until": "2026-11-19", "agent": "clinic", "ended": "caller_hangup"}, [ENDED]),
        ({"caller": CALLER, "longer_than": "2s"}, [ENDED]),
        ({"caller_key": "nobody's"}, []),
        ({"agent": "bakery"}, []),
    ):
        told = ask(phone, "list_calls", **arguments)
        assert [call["call_sid"] for call in told["calls"]] == found, arguments
    page = ask(phone, "list_calls", limit=1)
    assert [call["call_sid"] for call in page["calls"]] == [LIVE]
    page = ask(phone, "list_calls", limit=1, after=page["next"])
    assert ([call["call_sid"] for call in page["calls"]], page["next"]) == ([ENDED], None)
    for words, found in (("REFUND want", [ENDED]), ("bread", [])):
        told = ask(phone, "search_calls", words=words)
        assert [call["call_sid"] for call in told["calls"]] == found


def test_words_are_told_by_the_transcript_alone(phone: Phone) -> None:
    """Also of what was taken down, which is in several places of a record."""
    for name in ("list_calls", "read_call", "read_cost"):
        arguments = {} if name == "list_calls" else {"call_sid": ENDED}
        told = str(ask(phone, name, **arguments))
        assert (ENDED in told, WORDS in told) == (True, False), name
    told = ask(phone, "read_transcript", call_sid=ENDED)
    assert told["said"][0]["text"] == f"{WORDS}."
    assert told["captured"] == {"Refund": f'{{"why": "{WORDS}"}}'}


def test_a_service_is_asked_for_the_same(phone: Phone, over_the_wire: Phone) -> None:
    for name, arguments in (
        *(("list_calls", {"until": "2026-11-19", "caller": CALLER}), ("list_calls", {"limit": 1})),
        *((("read_call", {"call_sid": ENDED})), ("read_transcript", {"call_sid": ENDED})),
        ("search_calls", {"words": "refund"}),
    ):
        told = [ask(asked, name, **arguments) | {"now": ""} for asked in (over_the_wire, phone)]
        assert told[0] == told[1], name
    for one in (
        *(
            {"since": "2026-11-20"},
            {"agent": "bakery"},
            {"caller_key": "nobody's"},
            {"ended": "agent_hangup"},
        ),
        *({"longer_than": "1h"}, {"after": "0 "}),
    ):
        assert ask(over_the_wire, "list_calls", **one)["calls"] == [], one
    (live,) = ask(over_the_wire, "list_calls", state="live")["calls"]
    assert live["call_sid"] == LIVE
    told = ask(over_the_wire, "read_status")
    assert (told["takes_calls"], told["wrong"], told["live_calls"]) == (True, [], 0)
    with pytest.raises(RefusedError, match="There is no call CAc"):
        ask(over_the_wire, "read_call", call_sid="CA" + "c" * 32)
    for name in ("end_call", "hand_over_call"):
        with pytest.raises(ServiceError, match="No such call is live"):
            ask(over_the_wire, name, call_sid=ENDED)


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("list_calls", {"since": "yesterday"}, "'yesterday' is no time: write 2d"),
        ("list_calls", {"caller": "Sam"}, "'Sam' is no caller"),
        ("list_calls", {"limit": 51}, "<= 50"),
        ("list_calls", {"agent": "x" * 201}, "<= 200"),
        ("list_calls", {"agent": "\0"}, "NUL"),
        ("list_calls", {"words": "refund"}, "unknown field `words`"),
        ("read_call", {"call_sid": "../drain"}, "matching regex"),
        ("read_call", {"call_sid": f"{ENDED}\n"}, "<= 34"),
        ("read_call", {"call_sid": "CA" + "c" * 32}, "There is no call CAc"),
        ("read_call", {}, "missing required field `call_sid`"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    phone: Phone, name: str, arguments: dict[str, Any], said: str
) -> None:
    tool = EVERYTHING[name]
    with pytest.raises(RefusedError, match=said):
        tool.run(phone, asked_of(tool, arguments))
