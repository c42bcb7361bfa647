"""Guardrails: functions that look at what the agent says, and at what it is about to do."""
