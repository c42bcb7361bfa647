"""One request to a text model through the official client: what is sent, what came, what went wrong in words.

`openai` is an extra: `pip install 'callbridge[analysis]'`. Any endpoint that speaks Chat Completions with
structured outputs will do. https://developers.openai.com/api/docs/api-reference/chat/create
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from callbridge.records.analysis.findings import UnfitAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai import AsyncOpenAI, OpenAI
    from openai.types.chat import ChatCompletion

    TextClient: TypeAlias = AsyncOpenAI
    """The official client."""

TIMEOUT_S: Final = 60.0
"""A reasoning model thinks for a while; nobody waits on the line."""

ANSWER_TOKENS_MAX: Final = 4096
"""Thinking included. More is a model that has lost its way."""

_NOT_INSTALLED: Final = "A text model is asked through the OpenAI client: pip install 'callbridge[analysis]'."


class AnalysisFault(Exception):  # noqa: N818  # Most of them are of a model or of a network.
    """There is no answer.

    Args:
        why: in words, without any of the call.
        is_lasting: asking again is of no use before somebody has changed something.
        after_s: when the endpoint wants to be asked again; nothing where it does not say.
        may_have_cost: it was asked, and may have answered: nobody knows what that cost.
    """

    def __init__(
        self, why: str, *, is_lasting: bool = False, after_s: float | None = None, may_have_cost: bool = False
    ) -> None:
        super().__init__(why)
        self.why, self.is_lasting, self.after_s = why, is_lasting, after_s
        self.may_have_cost = may_have_cost


def open_client(url: str, key: str) -> TextClient:
    """The official client. It tries nothing again by itself: what is asked when is decided in one place.

    Raises:
        AnalysisFault: it is not installed.
    """
    try:
        from openai import AsyncOpenAI  # noqa: PLC0415  # An extra, and half a second.
    except ImportError as error:
        raise AnalysisFault(_NOT_INSTALLED, is_lasting=True) from error
    return AsyncOpenAI(base_url=url, api_key=key, timeout=TIMEOUT_S, max_retries=0)


def open_blocking_client(url: str, key: str, timeout_s: float = TIMEOUT_S) -> OpenAI:
    """The same for a thread.

    Raises:
        AnalysisFault: it is not installed.
    """
    try:
        from openai import OpenAI  # noqa: PLC0415  # See `open_client`.
    except ImportError as error:
        raise AnalysisFault(_NOT_INSTALLED, is_lasting=True) from error
    return OpenAI(base_url=url, api_key=key, timeout=timeout_s, max_retries=0)


def in_schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """`response_format`: an answer that keeps to this schema."""
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}


@contextmanager
def faults_in_words(timeout_s: float = TIMEOUT_S) -> Iterator[None]:
    """Within it a request that fails raises `AnalysisFault`."""
    import openai  # noqa: PLC0415  # See `open_client`.

    try:
        yield
    except openai.APIStatusError as error:
        raise _status_fault(error) from error
    except openai.APITimeoutError as error:
        raise AnalysisFault(f"no answer within {timeout_s:g} s", may_have_cost=True) from error
    except openai.APIConnectionError as error:
        raise _connection_fault(error) from error
    except (openai.APIError, ValueError) as error:  # Not JSON, or not of the shape that the client knows.
        raise AnalysisFault("its answer cannot be read", may_have_cost=True) from error


def text_of(said: ChatCompletion) -> str:
    """The text of an answer that is one; empty where only tools are called.

    Raises:
        AnalysisFault: the model will not answer, or may not.
        UnfitAnswer: there is none, or not all of it.
    """
    if not getattr(said, "choices", None):  # The client takes any JSON for a completion.
        raise UnfitAnswer("There is no answer in it.")
    choice = said.choices[0]
    if choice.message.refusal:
        raise AnalysisFault("the model refuses to answer", is_lasting=True)
    if choice.finish_reason == "content_filter":
        raise AnalysisFault("the endpoint's filter has stopped the answer", is_lasting=True)
    if choice.finish_reason == "length":
        raise UnfitAnswer("It was too long: be brief.")
    return choice.message.content or ""


def _connection_fault(error: Any) -> AnalysisFault:
    """A connection that was lost may have carried a request, and an answer that somebody pays for."""
    # By name: versions of the client bring different HTTP libraries, and all call it so.
    if type(error.__cause__).__name__ == "ConnectError":
        return AnalysisFault("the endpoint cannot be reached")
    return AnalysisFault("the connection to the endpoint was lost", may_have_cost=True)


def _status_fault(error: Any) -> AnalysisFault:
    """By what can help: nothing but another key or model, or time."""
    status, code = error.status_code, _code(error)
    said = f"the endpoint answers {status}{f' ({code})' if code else ''}"
    is_lasting = status in {400, 401, 403, 404, 422} or code == "insufficient_quota"
    return AnalysisFault(
        said, is_lasting=is_lasting, after_s=_after_s(error.response.headers.get("retry-after"))
    )


def _code(error: Any) -> str:
    """The code in the error's body, which is the peer's: letters alone."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) and code.isascii() and code.replace("_", "").isalnum() else ""


def _after_s(header: str | None) -> float | None:
    try:
        after_s = float(header or "")
    except ValueError:
        return None
    return after_s if math.isfinite(after_s) and after_s >= 0 else None
