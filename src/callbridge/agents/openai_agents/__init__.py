"""Agents of OpenAI's Agents SDK as guests: its session does what its agents are made of, the call stays ours.

The SDK's `RealtimeSession` runs tools, handoffs, approvals and guardrails over a `RealtimeModel` of ours
(`model`), which stands for the call: it is told what happens (`telling`), and what the session wants is
wanted of the call as by any ability (`in_call`). Audio never comes here. `recognising` knows a guest without
the SDK; all else here is imported only where there is one.
"""
