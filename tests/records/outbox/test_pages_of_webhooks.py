"""What `docs/records.md` shows of webhooks: its body is a true one, and its receiver in Python works.

`PYTHONPATH=src python tests/records/outbox/test_pages_of_webhooks.py` writes the body into the page.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from callbridge.records.outbox.body import body_of, in_bytes
from callbridge.records.outbox.sample import sample_event
from callbridge.records.outbox.signing import signed, signing_key

PAGE = Path(__file__).parents[3] / "docs" / "records.md"
SHOWN = re.compile(r"(test_pages_of_webhooks\.py\. -->\n\n```json\n)(.*?)(```)", re.DOTALL)
WIDTH = 118


def compact(value: Any, indent: int = 0, before: int = 0) -> str:
    """JSON in which whatever fits on a line stands on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if indent + before + len(flat) < WIDTH or not value or not isinstance(value, dict | list):
        return flat
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        heads = [f"{json.dumps(name)}: " for name in value]
        parts = [
            head + compact(part, indent + 2, len(head))
            for head, part in zip(heads, value.values(), strict=True)
        ]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{' ' * indent}}}"
    return "[\n" + ",\n".join(inner + compact(part, indent + 2) for part in value) + f"\n{' ' * indent}]"


def example() -> str:
    """The body of the sample, as it is sent."""
    return compact(json.loads(in_bytes(body_of(sample_event(1_796_342_400.0))))) + "\n"


def test_the_body_on_the_page_is_a_true_one() -> None:
    shown = SHOWN.search(PAGE.read_text(encoding="utf-8"))
    assert shown is not None
    assert shown[2] == example()


def test_the_receiver_on_the_page_knows_who_sends() -> None:
    code = re.search(r"```python\n(from standardwebhooks.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)  # noqa: S102 - our own page
    secret, body = f"whsec_{'A' * 32}", in_bytes(body_of(sample_event(1.0)))
    headers = signed([signing_key(secret)], "evt_1", int(time.time()), body)
    assert names["received"](body, headers, secret)["type"] == "call.completed"
    assert names["received"](body + b" ", headers, secret) is None


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(SHOWN.sub(lambda found: found[1] + example() + found[3], page), encoding="utf-8")
