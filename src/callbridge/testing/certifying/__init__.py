"""Certifying any bridge: both simulators call it, and checks say what its callers would notice.

`target` is what is certified, `probes` the calls that are placed, `seen` what both simulators saw, `places`
whose words were heard, `checks/` and `table` what is asked, `certificate` what came of it: all of it pure.
`running` places the calls. Nothing here knows whose bridge it is, and nothing imports the service.
"""

from callbridge.testing.certifying.certificate import Certificate, CheckReport
from callbridge.testing.certifying.running import certify
from callbridge.testing.certifying.target import MODEL_PORT, Target, TargetError
from callbridge.testing.certifying.verdicts import Outcome, Severity

__all__ = [
    "MODEL_PORT",
    "Certificate",
    "CheckReport",
    "Outcome",
    "Severity",
    "Target",
    "TargetError",
    "certify",
]
