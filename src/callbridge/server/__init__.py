"""The process: settings, HTTP routes, the media socket, and what stands between calls.

FastAPI is used here and nowhere else, and so is pydantic-settings (in `settings`).
"""
