"""The answer to a signed probe: proof that it has reached a service of this account, and no call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from callbridge.server.http.forms import twiml_response
from callbridge.server.process.measuring.refusals import tell_first
from callbridge.telephony import twiml
from callbridge.telephony.probes import PROOF_HEADER, probe_in, proofs

if TYPE_CHECKING:
    from fastapi.responses import Response

    from callbridge.server.http.forms import TwilioForm
    from callbridge.server.process.desk import Desk

_log = structlog.get_logger()


def answer_to_probe(desk: Desk, form: TwilioForm) -> Response | None:
    """What a probe is told; nothing when this is a call."""
    nonce = probe_in(form.fields)
    if nonce is None:
        return None
    # Counted: who has captured one may send it for ever.
    tell_first(desk.refused, desk.now(), "number_probed", _log.info, "number_probed")
    answer = twiml_response(twiml.hang_up())
    answer.headers[PROOF_HEADER] = proofs(desk.settings.auth_tokens, nonce)
    return answer
