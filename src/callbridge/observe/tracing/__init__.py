"""Traces: facts of calls go in, spans come out.

Pure, but for `exporting`, which hands spans to the SDK of OpenTelemetry and is loaded where traces are
wanted. One span takes one way: `of_calls` makes it of facts, `filtering` takes out what nobody else may see,
`dialects` puts its names into those of the product that shows it, `exporting` sends it. Nothing here knows a
frame of audio.
"""
