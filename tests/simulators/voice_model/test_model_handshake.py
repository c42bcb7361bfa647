"""Who may connect to the simulated voice model, and what the others are told."""

from __future__ import annotations

import json

import pytest

from callbridge.simulators.voice_model import REALTIME_MODELS, ConnectFault
from callbridge.simulators.voice_model.handshake import (
    HandshakeRefusal,
    fault_refusal,
    kind_of,
    model_of,
    refusal,
)

GOOD = "/v1/realtime?model=gpt-realtime-2.1"


def refused(
    target: str = GOOD,
    authorization: tuple[str, ...] = ("Bearer sk-good",),
    beta: tuple[str, ...] = (),
    keys: set[str] | None = None,
) -> HandshakeRefusal | None:
    return refusal(target, authorization, beta, keys=keys, models=REALTIME_MODELS)


@pytest.mark.parametrize("model", REALTIME_MODELS)
def test_each_model_of_the_realtime_api_is_served(model: str) -> None:
    """With any key when none was set, with the right one when one was."""
    target = f"/v1/realtime?model={model}"
    assert refused(target) is None
    assert refused(target, keys={"sk-good"}) is None
    assert model_of(target) == model


@pytest.mark.parametrize(
    ("authorization", "code", "text"),
    [
        ((), None, "Missing bearer or basic authentication in header"),
        (("Bearer",), None, "Missing bearer"),
        (("Bearer  ",), None, "Missing bearer"),
        (("Basic c2stZ29vZA==",), None, "Missing bearer"),
        (("sk-good",), None, "Missing bearer"),
        (("Bearer sk-good", "Bearer sk-good"), None, "Missing bearer"),
        (("Bearer sk-bad",), "invalid_api_key", "Incorrect API key provided: ******."),
    ],
)
def test_a_missing_or_wrong_key_is_401(authorization: tuple[str, ...], code: str | None, text: str) -> None:
    """On the socket it is close code 3000; from a gateway a status with the JSON body of the real one."""
    found = refused(authorization=authorization, keys={"sk-good"})
    assert found is not None
    assert (found.status, found.code, found.close_code) == (401, code, 3000)
    error = json.loads(found.body)["error"]
    assert error["type"] == "invalid_request_error"
    assert error["code"] == code
    assert text in error["message"]


def test_a_wrong_key_is_not_repeated_in_full() -> None:
    key = "sk-proj-abcdefghijklmnopqrstuvwxyz"
    found = refused(authorization=(f"Bearer {key}",), keys={"sk-good"})
    assert found is not None
    assert key not in found.message
    assert "sk-p********wxyz" in found.message


@pytest.mark.parametrize(
    ("target", "beta", "status", "code"),
    [
        (GOOD, ("realtime=v1",), 400, "beta_api_shape_disabled"),
        ("/v1/realtime", (), 400, "missing_model"),
        ("/v1/realtime?model=", (), 400, "missing_model"),
        ("/v1/realtime?model=gpt-live-1", (), 404, "invalid_model"),
        ("/v1/realtime?model=gpt-4o-realtime-preview", (), 404, "invalid_model"),
        ("/v1/realtimes?model=gpt-realtime-2.1", (), 404, None),
        ("/?model=gpt-realtime-2.1", (), 404, None),
    ],
)
def test_what_is_not_asked_for_rightly_is_refused(
    target: str, beta: tuple[str, ...], status: int, code: str | None
) -> None:
    found = refused(target, beta=beta)
    assert found is not None
    assert (found.status, found.code) == (status, code)


def test_an_unknown_model_has_another_name_at_a_gateway() -> None:
    found = refused("/v1/realtime?model=gpt-live-1")
    assert found is not None
    assert (found.close_code, found.code) == (4000, "invalid_model")
    assert found.message == 'Model "gpt-live-1" is not supported in realtime mode.'
    assert json.loads(found.body)["error"]["code"] == "model_not_found"


def test_who_wants_a_transcription_needs_no_model() -> None:
    target = "/v1/realtime?intent=transcription"
    assert refused(target) is None
    assert (kind_of(target), kind_of(GOOD)) == ("transcription", "realtime")
    assert refused(target + "&model=gpt-live-1") is not None


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "server_error"),
        (401, "invalid_api_key"),
        (403, "unsupported_country_region_territory"),
        (404, "model_not_found"),
        (429, "rate_limit_exceeded"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "service_unavailable"),
    ],
)
def test_each_status_of_a_script_has_its_body(status: int, code: str) -> None:
    found = fault_refusal(ConnectFault(kind="refuse", status=status))  # type: ignore[arg-type]  # all of its values
    assert found.status == status
    assert json.loads(found.body)["error"]["code"] == code
    assert found.close_code is None
