"""Where traces go: what the settings take, and what `callbridge check` says of it."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from callbridge.observe.tracing.dialects import Dialect
from callbridge.observe.tracing.exporting import TracesError
from callbridge.server.config.check_tracing import tracing
from callbridge.server.config.findings import Level
from callbridge.server.config.setting_problems import SettingsError
from callbridge.server.process.measuring.tracing import open_tracing
from desks import made_settings

ON = {"CALLBRIDGE_TRACES": "true"}
URL = "http://localhost:4318/v1/traces"
KEY = "abcdefghijklmnop"


def found(**more: str) -> list[tuple[Level, str]]:
    return [(finding.level, finding.what) for finding in tracing(made_settings(ON | more))]


def refusal(**more: str) -> str:
    with pytest.raises(SettingsError) as caught:
        made_settings(ON | more)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://localhost:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://cloud/otel/"}, "https://cloud/otel/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://cloud/spans"}, "https://cloud/spans"),
    ],
)
def test_the_path_is_added_to_the_one_address_and_not_to_the_other(given: dict[str, str], url: str) -> None:
    assert made_settings(ON | given).traces_url == url


def test_headers_are_decoded_and_their_keys_are_secrets() -> None:
    """Each alone: a log would show it without what stands before it."""
    settings = made_settings(
        ON | {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Basic%20{KEY}==, x-version=4"}
    )
    assert settings.traces_headers == {"authorization": f"Basic {KEY}==", "x-version": "4"}
    assert f"{KEY}==" in settings.secrets
    assert KEY not in repr(settings)


def test_the_name_of_the_service_is_its_own_setting_first() -> None:
    resource = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=bakery,deployment.environment.name=eu%20west"}
    told = {"service.name": "bakery", "deployment.environment.name": "eu west"}
    assert made_settings(ON).traces_resource == {"service.name": "callbridge"}
    assert made_settings(ON | resource).traces_resource == told
    named = made_settings(ON | resource | {"OTEL_SERVICE_NAME": "calls"})
    assert named.traces_resource == told | {"service.name": "calls"}


@pytest.mark.parametrize(
    ("text", "dialects"),
    [
        ("plain", ()),
        ("langfuse", (Dialect.LANGFUSE,)),
        ("phoenix, langfuse", (Dialect.PHOENIX, Dialect.LANGFUSE)),
    ],
)
def test_products_are_told_by_name(text: str, dialects: tuple[Dialect, ...]) -> None:
    assert made_settings({"CALLBRIDGE_TRACES_FOR": text}).traces_for == dialects


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "must be an address"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317", "port of gRPC"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://key@collector", "without user name"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://collector", "must be an address"),
        ("OTEL_EXPORTER_OTLP_HEADERS", f"Bearer {KEY}", "must be key=value"),
        ("OTEL_EXPORTER_OTLP_HEADERS", f"authorization={KEY}%0A", "no header can carry"),
        ("OTEL_RESOURCE_ATTRIBUTES", "bakery", "must be key=value"),
        ("CALLBRIDGE_TRACES_FOR", "langfuze", "has 'langfuze'"),
        ("CALLBRIDGE_TRACES_SHARE", "2", "CALLBRIDGE_TRACES_SHARE"),
    ],
)
def test_what_is_wrong_is_said_by_its_name_without_the_value(name: str, value: str, why: str) -> None:
    said = refusal(**{name: value})
    assert name in said
    assert why in said
    assert KEY not in said


def test_other_programs_may_read_these_variables_otherwise() -> None:
    """Where no traces are wanted nothing is said of them. Words without traces are a slip."""
    assert made_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"}).traces is False
    with pytest.raises(SettingsError, match="CALLBRIDGE_TRACES"):
        made_settings({"CALLBRIDGE_TRACE_WORDS": "true"})


def test_check_says_where_spans_go_and_what_may_be_wrong_with_it() -> None:
    pytest.importorskip("opentelemetry.sdk.trace")
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    assert list(tracing(made_settings())) == []
    assert found() == [(Level.OK, f"spans of calls go to {URL}")]
    assert found(CALLBRIDGE_TRACES_FOR="langfuse,phoenix", CALLBRIDGE_TRACES_SHARE="0.1") == [
        (Level.OK, f"spans of 10% of the calls go to {URL}, with the names of langfuse and phoenix")
    ]
    doubtful = found(
        OTEL_EXPORTER_OTLP_ENDPOINT="http://collector:4318/v1/traces",
        OTEL_EXPORTER_OTLP_HEADERS=f"x={KEY}",
        CALLBRIDGE_TRACE_WORDS="true",
    )
    assert [level for level, _ in doubtful] == [Level.OK, *[Level.WARNING] * 3]


def test_without_the_extra_neither_check_nor_a_start_is_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both say what to install."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "callbridge.server.config.check_tracing.find_spec",
        lambda name: None if name.startswith("opentelemetry") else find(name),
    )
    ((level, _),) = found()
    assert level is Level.ERROR
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TracesError, match=r"pip install 'callbridge\[otel\]'"):
        open_tracing(made_settings(ON), lambda: 0.0)
