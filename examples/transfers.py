"""The telephone of a bakery: it puts callers through to the office, and has them back where nobody answers.

Try it without an account: docs/transfers.md says how.
"""

from __future__ import annotations

from callbridge import Agent, Destination, Texts

agent = Agent(
    instructions="You answer for Harbour Bakery. Be friendly and brief.",
    greeting="Harbour Bakery, hello! How can I help?",
    texts=Texts(templates={"address": "Harbour Bakery: write to bills@bakery.example."}),
    transfers=[
        Destination(
            "office",
            "+14155550100",
            when="they have a question about a bill",
            briefing="A caller of Harbour Bakery, about {reason}.",
            warm=True,
        ),
    ],
)
