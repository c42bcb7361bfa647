"""The process, in three rooms, one above the other: what it is told, what it is, what it answers.

`config` reads settings, `process` keeps what all calls share and listens, `http` has the routes and the media
socket's door. `process` may import `config`, `http` may import both; `preparing` makes a service of them.
What commands do once, in `errands`, no service does. FastAPI is used in `server` and `console` only.
"""
