"""The HTTP API: routes that translate requests into calls, and answers into JSON."""

from __future__ import annotations

import gzip
import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.wsgi import wrap_file

from beetsplug.genreclf.web.errors import LOCKED_ERRORS, Gone, Invalid, Locked, Searching, WebError
from beetsplug.genreclf.web.file_ranges import ByteRange, UnsatisfiableRange
from beetsplug.genreclf.web.reviewing import MAX_UNDONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from beetsplug.genreclf.web.services import Services
    from genremodel.audio.spectrogram_image import SpectrogramImage

STATIC = Path(__file__).with_name("static")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_MAX_LIMIT = 500
_RETRY_SECONDS = "2"


class _StaticFile:
    """A file of the page, compressed."""

    def __init__(self, path: Path) -> None:
        self._type = _TYPES[path.suffix]
        self._content = path.read_bytes()
        self._compressed = gzip.compress(self._content, mtime=0)

    def response(self) -> Response:
        headers = {"Vary": "Accept-Encoding"}
        if not request.accept_encodings["gzip"]:
            return Response(self._content, content_type=self._type, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return Response(self._compressed, content_type=self._type, headers=headers)


def create_app(services: Services) -> Flask:
    """Return the application. services: do what the requests ask for."""
    # A name and paths of its own: Flask cannot find those of a module in a namespace package.
    app = Flask(
        "genreclf_web",
        root_path=str(STATIC.parent),
        instance_path=str(services.folder / "instance"),
        static_folder=None,
    )
    provider: Any = app.json
    provider.sort_keys = False
    _add_page(app)
    _add_lists(app, services)
    _add_tracks(app, services)
    _add_decisions(app, services)
    _add_trainings(app, services)
    _add_tries(app, services)
    _add_error_handlers(app, services)
    return app


def _add_page(app: Flask) -> None:
    # Names of requests are only looked up, so no path can leave the folder.
    files = {file.name: _StaticFile(file) for file in STATIC.iterdir() if file.suffix in _TYPES}

    def send(name: str) -> Response:
        if name not in files:
            raise Gone("there is no such file")
        return files[name].response()

    @app.get("/")
    def page() -> Response:
        return send("index.html")

    @app.get("/static/<name>")
    def static(name: str) -> Response:
        return send(name)


def _add_lists(app: Flask, services: Services) -> None:
    @app.get("/api/status")
    def status() -> dict[str, Any]:
        return services.status()

    @app.get("/api/overview")
    def overview() -> dict[str, Any]:
        return services.overview()

    @app.get("/api/albums")
    def albums() -> dict[str, Any]:
        if request.args.get("refresh") == "1":
            services.library.sort_again()
        return services.library.albums(
            **_list(),
            after=request.args.get("after") or None,
            limit=_integer("limit", 50),
        )

    @app.get("/api/albums/<int:album_id>")
    def album(album_id: int) -> dict[str, Any]:
        return services.album(
            album_id,
            **_list(),
            after=_integer("after", 0),
            limit=_integer("limit", 200),
        )

    @app.get("/api/runs")
    def runs() -> dict[str, Any]:
        return services.reviewer.runs(
            before=_integer("before", 0) or None, limit=_integer("limit", 50)
        )


def _add_tracks(app: Flask, services: Services) -> None:
    @app.get("/api/tracks/<int:track_id>")
    def track(track_id: int) -> dict[str, Any]:
        return services.track(track_id)

    @app.get("/api/tracks/<int:track_id>/spectrogram")
    def spectrogram(track_id: int) -> Response:
        return _picture(services.media.spectrogram(services.track_path(track_id)))

    @app.get("/api/tracks/<int:track_id>/audio")
    def audio(track_id: int) -> Response:
        path = services.track_path(track_id)
        return _file(path, services.media.media_type(path) or "application/octet-stream")

    @app.get("/api/tracks/<int:track_id>/audio.wav")
    def wav(track_id: int) -> Response:
        return _file(services.media.wav(services.track_path(track_id)), "audio/wav")


def _add_decisions(app: Flask, services: Services) -> None:
    @app.post("/api/decisions")
    def decide() -> tuple[dict[str, Any], int]:
        answer = services.reviewer.decide(_body().get("decisions"))
        return answer, 200 if answer["done"] else 409

    @app.post("/api/runs/<int:run>/undo")
    def undo(run: int) -> dict[str, Any]:
        body = _body()
        limit = body.get("limit", MAX_UNDONE)
        return services.reviewer.undo(run, after=body.get("after"), limit=limit)


def _add_trainings(app: Flask, services: Services) -> None:
    trainings = services.trainings

    @app.post("/api/trainings")
    def start() -> tuple[dict[str, Any], int]:
        return {"id": trainings.start()}, 202

    @app.get("/api/trainings/<int:training>")
    def state(training: int) -> dict[str, Any]:
        return trainings.get(training).as_object()

    @app.post("/api/trainings/<int:training>/<action>")
    def act(training: int, action: str) -> dict[str, Any]:
        job = trainings.get(training)
        if action == "stop":
            job.stop()
        elif action == "use":
            trainings.use(job)
        elif action == "discard":
            trainings.discard(job)
        else:
            raise Gone("there is no such action")
        return job.as_object()

    @app.post("/api/models/previous")
    def previous() -> tuple[dict[str, Any], int]:
        return {"id": trainings.use_previous()}, 202


def _add_tries(app: Flask, services: Services) -> None:
    tries = services.tries

    @app.post("/api/tries")
    def begin() -> tuple[dict[str, Any], int]:
        return tries.begin(_body().get("size")), 201

    @app.post("/api/tries/<token>/data")
    def data(token: str) -> dict[str, Any]:
        return {"received": tries.append(token, _integer("offset", 0), request.get_data())}

    @app.post("/api/tries/<token>/predict")
    def predict(token: str) -> dict[str, Any]:
        return tries.predict(token)

    @app.delete("/api/tries/<token>")
    def remove(token: str) -> tuple[str, int]:
        tries.remove(token)
        return "", 204

    @app.get("/api/tries/<token>/spectrogram")
    def spectrogram_of_try(token: str) -> Response:
        return _picture(services.media.spectrogram(tries.path(token)))

    @app.get("/api/tries/<token>/audio.wav")
    def wav_of_try(token: str) -> Response:
        return _file(services.media.wav(tries.path(token)), "audio/wav")


def _add_error_handlers(app: Flask, services: Services) -> None:
    @app.errorhandler(WebError)
    def failed(error: WebError) -> tuple[dict[str, Any], int, dict[str, str]]:
        headers = {"Retry-After": _RETRY_SECONDS} if error.status == 503 else {}
        return {"error": error.as_object()}, error.status, headers

    @app.errorhandler(Searching)
    def searching(_: Searching) -> tuple[dict[str, Any], int, dict[str, str]]:
        return {"searching": True}, 202, {"Retry-After": "1"}

    def locked(error: Exception) -> tuple[dict[str, Any], int, dict[str, str]]:
        services.log.warning("{}", error)
        return failed(Locked("the library or its journal cannot be changed now; see the terminal"))

    for kind in LOCKED_ERRORS:
        app.register_error_handler(kind, locked)

    @app.errorhandler(UnsatisfiableRange)
    def unsatisfiable(error: UnsatisfiableRange) -> Response:
        return Response(status=416, headers={"Content-Range": f"bytes */{error.size}"})

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[dict[str, Any], int]:
        code = {404: "gone"}.get(error.code or 500, "invalid")
        return {"error": {"code": code, "message": error.name}}, error.code or 500

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> tuple[dict[str, Any], int]:
        services.context.report_failure(request.path, error)
        message = "an unexpected error; the terminal shows it"
        return {"error": {"code": "internal", "message": message}}, 500


def _list() -> dict[str, str]:
    """Return which albums and tracks the page lists."""
    return {
        "show": request.args.get("show", "open"),
        "order": request.args.get("order", "doubt"),
        "query": request.args.get("q", ""),
    }


def _integer(name: str, default: int) -> int:
    text = request.args.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid(f"{name} must be a whole number")
    number = int(text)
    return min(number, _MAX_LIMIT) if name == "limit" else number


def _body() -> dict[str, Any]:
    """Return the JSON object of a request."""
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError) as exc:
        raise Invalid("the body must be a JSON object") from exc
    if not isinstance(body, dict):
        raise Invalid("the body must be a JSON object")
    return body


def _picture(image: SpectrogramImage) -> Response:
    head = struct.pack("<3d", image.seconds, *image.levels.shape)
    return Response(head + image.levels.tobytes(), content_type="application/octet-stream")


def _file(path: Path, kind: str) -> Response:
    """Return a file, or the part that is asked for, at most a mebibyte at once.

    Browsers ask for all the rest of a file, and then stop reading: each such answer would hold a
    thread of the server.
    """
    try:
        file = path.open("rb")
    except OSError as exc:
        raise Gone("the file cannot be read") from exc
    size = os.fstat(file.fileno()).st_size  # the path may have another file by now
    headers = {"Accept-Ranges": "bytes", "Content-Type": kind}
    wanted = request.headers.get("Range")
    if wanted is None:
        headers["Content-Length"] = str(size)
        body: Iterable[bytes] | Iterator[bytes] = wrap_file(request.environ, file)
        return Response(body, headers=headers, direct_passthrough=True)
    with file:
        part = ByteRange.parse(wanted, size)
        file.seek(part.start)
        content = file.read(part.length)
    headers["Content-Range"] = f"bytes {part.start}-{part.start + len(content) - 1}/{size}"
    return Response(content, status=206, headers=headers)
