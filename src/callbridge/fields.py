"""The field types of forms: what a captured model is made of.

```python
class Booking(BaseModel):
    name: PersonName
    email: EmailAddress
    phone: PhoneNumber | None = None
    when: DateAndTime
    code: Annotated[str, digits(length=6)]
```

Every type that pydantic knows may stand beside them; `ReadBack` has it confirmed like one of these. A type
of your own is a `Ready` in `Annotated[...]`.
"""

from __future__ import annotations

from callbridge.agents.fields.dates import BirthDate, Date, DateAndTime, date_and_time, day
from callbridge.agents.fields.digits import Digits, digits
from callbridge.agents.fields.email_address import EmailAddress
from callbridge.agents.fields.person_name import PersonName
from callbridge.agents.fields.phone_number import PhoneNumber, phone_number
from callbridge.agents.fields.postal_address import PostalAddress
from callbridge.agents.fields.ready import At, ReadBack, Ready
from callbridge.agents.fields.yes_no import YesNo

__all__ = [
    "At",
    "BirthDate",
    "Date",
    "DateAndTime",
    "Digits",
    "EmailAddress",
    "PersonName",
    "PhoneNumber",
    "PostalAddress",
    "ReadBack",
    "Ready",
    "YesNo",
    "date_and_time",
    "day",
    "digits",
    "phone_number",
]
