"""An agent whose calls are recorded from their first moment on: nobody is told or asked."""

from __future__ import annotations

from callbridge import Agent, Recording

agent = Agent(recording=Recording(consent="none"))
