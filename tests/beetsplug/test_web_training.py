"""Training by the review page: report, use, discard, and back."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from genremodel.custom import ModelStore
from genremodel.models.musicnn import features_version
from tests.conftest import Beets, Prepared
from tests.labeled_tracks import custom_model
from tests.web_client import WebServer, require_flask, serving

require_flask()

WITHOUT_SCIKIT_LEARN = """
import sys
from beets.plugins import BeetsPlugin

sys.modules["sklearn"] = None

class Hidden(BeetsPlugin):
    pass
"""


def import_labeled(beets: Beets) -> None:
    """Import twenty tracks of two genres of the user, by ten artists."""
    beets.settings["genreclf"] |= {"auto": False, "policy": "replace"}
    beets.add_collection(range(10))
    beets.import_music()
    beets("genreclf", "-q", "--nowrite")
    beets("genreclf-undo", "-q")


@pytest.fixture
def library(prepared: Prepared) -> Beets:
    return prepared(import_labeled)


def wait(server: WebServer, id_: int, *states: str) -> dict[str, Any]:
    """Return the state of a job once it is one of these."""
    end = time.monotonic() + 60
    while (job := server.json(f"api/trainings/{id_}"))["state"] not in states:
        assert time.monotonic() < end, job
        assert job["state"] != "failed", job
        time.sleep(0.1)
    return job


def train(server: WebServer) -> dict[str, Any]:
    answer = server.post("api/trainings")
    assert answer.status == 202, answer
    return wait(server, answer.json["id"], "done")


def use(server: WebServer) -> dict[str, Any]:
    job = train(server)
    server.post(f"api/trainings/{job['id']}/use")
    return wait(server, job["id"], "used")


def change_model(server: WebServer) -> None:
    answer = server.post("api/models/previous")
    assert answer.status == 202, answer
    wait(server, answer.json["id"], "used")


def test_report_waits_for_a_decision(server: WebServer, library: Beets) -> None:
    rows = library.rows()
    job = train(server)
    report = job["report"]
    assert (report["tracks"], report["tested"], report["accepted"]) == (20, 20, 0)
    assert {genre["genre"] for genre in report["genres"]} == {"My Tunes", "My Loops"}
    assert report["comparison"] is None  # the bundled model has none of these genres
    assert server.json("api/status")["training"] == {"id": job["id"], "state": "done"}
    assert server.post(f"api/trainings/{job['id']}/discard").json["state"] == "discarded"
    assert server.post(f"api/trainings/{job['id']}/use").status == 409
    assert server.json("api/status")["training"] is None
    assert library.rows() == rows
    assert "no models" in library.run("genreclf-train", "--list").stderr


@pytest.mark.parametrize("kind", ["an installed model", "a model of the field mood"])
def test_only_models_of_the_same_kind_are_replaced(
    server: WebServer, library: Beets, kind: str
) -> None:
    folder = library.root / "library.genre-models"
    model = replace(custom_model(), features_version=features_version())
    if "installed" in kind:
        ModelStore(folder).install(model)
    else:
        ModelStore(folder).save(replace(model, field="mood"))
    before = {file: file.read_bytes() for file in folder.iterdir()}
    job = train(server)
    assert job["use"].startswith(f"There is {kind} of the name mine, which is not replaced.")
    answer = server.post(f"api/trainings/{job['id']}/use")
    assert answer.status == 409
    assert {file: file.read_bytes() for file in folder.iterdir()} == before


def test_using_a_model_predicts_again_and_keeps_decisions(
    server: WebServer, library: Beets
) -> None:
    album = server.json("api/albums?show=all")["albums"][0]["id"]
    track = server.json(f"api/albums/{album}")["tracks"][0]
    wanted = {"track": track["id"], "version": track["version"], "decision": "correct"}
    server.post("api/decisions", {"decisions": [{**wanted, "labels": ["Kept"]}]})
    job = train(server)
    assert job["use"] is True
    assert server.post(f"api/trainings/{job['id']}/stop").json["state"] == "done"
    assert server.post(f"api/trainings/{job['id']}/use").json["state"] == "predicting"
    used = wait(server, job["id"], "used")
    assert server.post(f"api/trainings/{job['id']}/discard").status == 409
    assert used["done"] == used["total"] == 20
    status = server.json("api/status")
    assert status["custom"] is True
    assert status["previous"] is True
    assert {*library.field("genre_model")} == {status["model"]}
    assert library.field("genres", "genre_review:corrected") == ["Kept"]
    runs = server.json("api/runs")["runs"]
    assert (runs[0]["id"], runs[0]["decision"]) == (used["run"], "predict")
    custom = status["model"]
    change_model(server)
    status = server.json("api/status")
    assert (status["custom"], status["previous"]) == (False, True)
    assert {*library.field("genre_model")} == {status["model"]}
    change_model(server)
    assert server.json("api/status")["model"] == custom
    assert {*library.field("genre_model")} == {custom}
    assert library.field("genres", "genre_review:corrected") == ["Kept"]


def test_predictions_cannot_be_undone_while_they_are_made(
    server: WebServer, library: Beets
) -> None:
    run = use(server)["run"]
    with closing(sqlite3.connect(library.root / "library.genre-journal.lock")) as lock:
        lock.execute("BEGIN EXCLUSIVE")  # the job waits
        job = server.post("api/models/previous").json["id"]
        answer = server.post(f"api/runs/{run}/undo")
        assert (answer.status, answer.json["error"]["code"]) == (409, "busy")
    wait(server, job, "used")


def test_second_model_can_be_taken_back(server: WebServer, library: Beets) -> None:
    first = train(server)
    server.post(f"api/trainings/{first['id']}/use")
    wait(server, first["id"], "used")
    model = server.json("api/status")["model"]
    track = server.json("api/albums?show=all")["albums"][0]["id"]
    tracks = server.json(f"api/albums/{track}")["tracks"]
    server.post(
        "api/decisions",
        {
            "decisions": [
                {
                    "track": one["id"],
                    "version": one["version"],
                    "decision": "correct",
                    "labels": ["My Tunes", "My Loops"],
                }
                for one in tracks
            ]
        },
    )
    second = train(server)
    assert second["report"]["last_training"]["model"] == model
    server.post(f"api/trainings/{second['id']}/use")
    wait(server, second["id"], "used")
    assert server.json("api/status")["model"] != model
    newer = server.json("api/status")["model"]
    for expected in (model, newer, model):
        change_model(server)
        assert server.json("api/status")["model"] == expected
    assert [*(library.root / "library.genre-models" / "previous").glob("*.bundled")] == []


def test_accepted_predictions_are_not_tested(server: WebServer) -> None:
    job = train(server)
    server.post(f"api/trainings/{job['id']}/use")
    wait(server, job["id"], "used")
    album = server.json("api/albums?show=confident")["albums"][0]["id"]
    track = next(t for t in server.json(f"api/albums/{album}")["tracks"] if t["predicted"])
    wanted = {"track": track["id"], "version": track["version"], "decision": "accept"}
    assert server.post("api/decisions", {"decisions": [wanted]}).status == 200
    report = train(server)["report"]
    assert (report["tracks"], report["tested"], report["accepted"]) == (20, 19, 1)


def test_only_one_job_runs_at_once(server: WebServer) -> None:
    id_ = server.post("api/trainings").json["id"]
    assert server.post("api/trainings").status == 409
    server.post(f"api/trainings/{id_}/stop")
    assert wait(server, id_, "stopped", "done")["state"] == "stopped"
    assert server.post("api/trainings").status == 202
    assert server.json(f"api/trainings/{id_}")["state"] == "stopped"
    assert server.get("api/trainings/99").status == 404


def test_configured_model_decides_about_use(library: Beets) -> None:
    library.settings["genreclf"]["model"] = "bundled"
    with serving(library) as server:
        job = train(server)
        assert "model: auto" in job["use"]
        assert server.post(f"api/trainings/{job['id']}/use").status == 409


def test_there_may_be_no_previous_model(server: WebServer) -> None:
    assert server.json("api/status")["previous"] is False
    assert server.post("api/models/previous").status == 404


def test_bundled_model_is_the_previous_one_of_a_new_training(
    server: WebServer, library: Beets
) -> None:
    use(server)
    change_model(server)
    use(server)
    previous = library.root / "library.genre-models" / "previous"
    assert [file.name for file in previous.iterdir()] == ["mine.bundled"]
    change_model(server)
    assert server.json("api/status")["custom"] is False


def test_server_stops_during_a_job(server: WebServer, library: Beets) -> None:
    job = train(server)
    server.post(f"api/trainings/{job['id']}/use")
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 4
    assert "Traceback" not in (library.root / "web.log").read_text()
    assert library("genreclf", "-q") is not None  # the library is not locked


def test_missing_package_is_reported_before_tracks_are_analyzed(library: Beets) -> None:
    library.install(hidden=WITHOUT_SCIKIT_LEARN)
    with serving(library) as server:
        answer = server.post("api/trainings")
        job = wait(server, answer.json["id"], "failed")
    assert job["message"].startswith("training needs scikit-learn: pip install scikit-learn")
    assert job["total"] == 0
