"""The review page: a server on this machine, its HTTP API, and the page in `static/`.

A request passes `server`, `guard` and `app` in this order; the other modules know nothing of HTTP.
Flask and waitress are imported by `app` and `server` alone, which the command imports when it runs.
"""
