"""Let only the page itself use the server: WSGI middleware around the application.

The server can write tags and read music, and any program on this machine, and any page in the
user's browser, can send it requests. The address of the page contains a secret token, and browsers
state from where a request comes.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Callable[[bytes], object]]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

_TOKEN_BYTES = 24
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost\.?|\[::1\])(?::\d{1,5})?", re.ASCII | re.IGNORECASE)
_READING = {"GET", "HEAD"}
_METHODS = {*_READING, "POST", "DELETE"}
_BODY_TYPES = {"application/json", "application/octet-stream"}
_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = (  # of every response
    ("Content-Security-Policy", _CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
_STATUS = {
    403: "403 Forbidden",
    405: "405 Method Not Allowed",
    415: "415 Unsupported Media Type",
    421: "421 Misdirected Request",
}


def new_token() -> str:
    """Return a secret for the address of a server."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class Guard:
    """Answers requests that do not come from the page with a status and no detail.

    application: is given the others, with the token moved from PATH_INFO to SCRIPT_NAME.
    """

    def __init__(self, application: Application, token: str) -> None:
        self._application = application
        self._token = token.encode()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, with the security headers in any case."""

        def start(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            names = {name.lower() for name, _ in HEADERS}
            kept = [header for header in headers if header[0].lower() not in names]
            return start_response(status, [*kept, *HEADERS], *exc_info)

        refused = self._refusal(environ)
        if refused:
            status = _STATUS[refused]
            body = f"{status}\n".encode()
            start(
                status,
                [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", f"{len(body)}")],
            )
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        return self._application(environ, start)

    def _refusal(self, environ: Environ) -> int | None:
        """Return the status of a refused request, or None if it is to be answered."""
        host, method = environ.get("HTTP_HOST", ""), environ["REQUEST_METHOD"]
        if not _HOST.fullmatch(host):
            return 421
        if not self._take_token(environ):
            return 403
        if method not in _METHODS:
            return 405
        # A redirect from a private file arrives as cross-site.
        is_page = method in _READING and environ["PATH_INFO"] == "/"
        if not is_page and environ.get("HTTP_SEC_FETCH_SITE", "same-origin") != "same-origin":
            return 403
        return None if method in _READING else _write_refusal(environ, host)

    def _take_token(self, environ: Environ) -> bool:
        """Move the token out of the path; return whether it is the right one."""
        path = environ["PATH_INFO"].encode("latin-1", "replace")
        _, _, rest = path.partition(b"/")
        token, slash, inner = rest.partition(b"/")
        if not (slash and hmac.compare_digest(token, self._token)):
            return False
        environ["SCRIPT_NAME"] = f"{environ.get('SCRIPT_NAME', '')}/{self._token.decode()}"
        environ["PATH_INFO"] = f"/{inner.decode('latin-1')}"
        return True


def _write_refusal(environ: Environ, host: str) -> int | None:
    """Return the status of a refused write, or None."""
    if environ.get("HTTP_ORIGIN", "").lower() != f"http://{host}".lower():
        return 403
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    has_body = environ.get("CONTENT_LENGTH") not in (None, "", "0")
    return 415 if (has_body or kind) and kind not in _BODY_TYPES else None
