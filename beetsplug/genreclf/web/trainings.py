"""Trainings in the background: report first, then use or discard, and back to the model before."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from beets.exceptions import UserError
from beets.library import Library
from confuse import ConfigError

from beetsplug.genreclf.commands._selection import TrackSelection, artists
from beetsplug.genreclf.commands.classify import Classify
from beetsplug.genreclf.custom_training import (
    DEFAULT_NAME,
    LabelCollector,
    LabeledTracks,
    train_model,
)
from beetsplug.genreclf.storage.paths import models_folder
from beetsplug.genreclf.web.errors import Conflict, Gone
from beetsplug.genreclf.web.music_folder import music_folder
from beetsplug.genreclf.web.reviewing import COMMAND
from genremodel.custom.report import MIN_TESTED
from genremodel.custom.store import ModelStore
from genremodel.errors import ModelError, TrainingError

if TYPE_CHECKING:
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.web.services import Services
    from genremodel.custom.report import TrainingReport
    from genremodel.custom.store import CustomModel

State: TypeAlias = Literal[
    "analyzing", "training", "done", "failed", "stopped", "predicting", "used", "discarded"
]

_ACTIVE: tuple[State, ...] = ("analyzing", "training", "predicting")
_LOOKAHEAD = 2  # analyses, which must not keep the player waiting
_SHOWN = 20  # suspect labels, confused pairs
_CLOSE_SECONDS = 0.5
_FROM_BUNDLED = ".bundled"  # suffix of the mark that no custom model was in use before


class _StoppedError(Exception):
    """The user has stopped a job."""


class Job:
    """A training, or the use of another model. Its attributes are read by other threads."""

    def __init__(self, id_: int, state: State) -> None:
        self.id = id_
        self.state: State = state
        self.done = 0
        self.total = 0
        self.message: str | None = None
        self.report: dict[str, Any] | None = None
        self.model: CustomModel | None = None
        self.use: bool | str = False  # or the reason why the model would not be used
        self.run: int | None = None
        self.changed: int | None = None
        self.thread: threading.Thread | None = None
        self._stopping = threading.Event()

    @property
    def is_active(self) -> bool:
        """Whether a thread is at work."""
        return self.state in _ACTIVE

    def stop(self) -> None:
        """Let the thread end after the track or album at which it is."""
        self._stopping.set()

    def begin(self, total: int) -> None:
        """Begin with a number of tracks."""
        self.total = total

    def advance(self, tracks: int = 1) -> None:
        """Count tracks that are done. Raises _StoppedError."""
        self.done = min(self.done + tracks, self.total)
        if self._stopping.is_set():
            raise _StoppedError

    def as_object(self) -> dict[str, Any]:
        """Return the state as a JSON object."""
        optional = ("message", "report", "run", "changed")
        values = {name: value for name in optional if (value := getattr(self, name)) is not None}
        use = {"use": self.use} if self.state == "done" else {}
        fixed = {"id": self.id, "state": self.state, "done": self.done, "total": self.total}
        return {**fixed, **use, **values}


@dataclass
class _LabelProgress:
    """Shows the analysis of labeled tracks in a job, and problems in the terminal."""

    job: Job
    log: Any
    failures: int = 0

    def begin(self, total: int) -> None:
        self.job.begin(total)

    def advance(self) -> None:
        self.job.advance()

    def warn(self, message: str) -> None:
        self.log.warning("{}", message)

    def fail(self, message: str) -> None:
        self.failures += 1
        self.log.error("{}", message)
        self.job.advance()


@dataclass
class _PredictionProgress:
    """Shows the progress of a classification in a job."""

    job: Job

    def advance(self, tracks: int = 1) -> None:
        self.job.advance(tracks)

    def hidden(self) -> AbstractContextManager[None]:
        return nullcontext()


class _Options:
    """Of the classification of the tracks that have a prediction by another model."""

    force = pretend = review = album = False
    write: bool | None = None
    quiet = cache = True


class Trainings:
    """Runs one job at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lib: Library = services.lib
        self._folder = models_folder(services.lib)
        self._models = ModelStore(self._folder)
        self._previous = ModelStore(self._folder / "previous")
        self._jobs: list[Job] = []  # by id
        self._starting = threading.Lock()

    @property
    def name(self) -> str:
        """The name of the model that the configuration uses, or would use."""
        configured = self._services.predictor.config.model
        if configured not in ("auto", "bundled"):
            return configured
        return self._name_in_use or DEFAULT_NAME

    @property
    def trained(self) -> float:
        """When the model in use was trained, in seconds since the epoch; 0 for the bundled one."""
        try:
            return self._models.describe(self._name_in_use).trained if self._name_in_use else 0.0
        except ModelError:
            return 0.0

    @property
    def has_previous(self) -> bool:
        """Whether there is a model to go back to."""
        return self._mark.exists() or self.name in self._previous.names()

    def current(self) -> dict[str, Any] | None:
        """Return the job that is under way or waits for a decision."""
        job = self._jobs[-1] if self._jobs else None
        shown = job and (job.is_active or job.state == "done")
        return {"id": job.id, "state": job.state} if job and shown else None

    def get(self, id_: int) -> Job:
        """Return a job. Raises Gone."""
        if not 0 < id_ <= len(self._jobs):
            raise Gone("there is no such training")
        return self._jobs[id_ - 1]

    def start(self) -> int:
        """Start a training; return its id. Raises Conflict while a job is under way."""
        job = self._new_job("analyzing")
        self._run(job, self._train)
        return job.id

    def use(self, job: Job) -> None:
        """Save the model of a training, and predict the tracks again with it. Raises Conflict."""
        with self._starting:
            if job.state != "done" or job.model is None:
                raise Conflict("this training has no model to use")
            if job.use is not True:
                raise Conflict(str(job.use))
            name = job.model.name
            try:
                self._keep(name)
                self._models.save(job.model)
            except (ModelError, OSError) as exc:
                raise Conflict(f"the model cannot be saved: {_without_path(exc)}") from exc
            job.state, job.done, job.total = "predicting", 0, 0
        self._run(job, self._predict)

    def discard(self, job: Job) -> None:
        """Forget the model of a training. Raises Conflict."""
        with self._starting:
            if job.is_active:
                raise Conflict("the training is still under way: stop it first")
            job.model = None
            job.state = "discarded"

    def use_previous(self) -> int:
        """Go back to the model before; return the id of the job. Raises Gone and Conflict."""
        if not self.has_previous:
            raise Gone("there is no previous model")
        name = self.name
        job = self._new_job("predicting")
        try:
            if self._mark.exists():
                self._models.delete(name)
                self._mark.unlink()
            else:
                self._previous.copy(name, self._models)
                self._previous.delete(name)
        except (ModelError, OSError) as exc:
            job.state = "failed"
            raise Conflict(f"the model cannot be restored: {_without_path(exc)}") from exc
        self._run(job, self._predict)
        return job.id

    def close(self) -> None:
        """Stop the job that is under way."""
        for job in self._jobs[-1:]:
            job.stop()
            if job.thread:
                job.thread.join(_CLOSE_SECONDS)

    @property
    def _name_in_use(self) -> str:
        classifier = self._services.predictor.classifier
        return classifier.model_id.rpartition("-")[0] if classifier.is_custom else ""

    @property
    def _mark(self) -> Path:
        return self._folder / "previous" / f"{self.name}{_FROM_BUNDLED}"

    def _new_job(self, state: State) -> Job:
        with self._starting:
            if self._jobs and self._jobs[-1].is_active:
                raise Conflict("another training is under way")
            if self._jobs and self._jobs[-1].state == "done":
                self._jobs[-1].state = "discarded"
                self._jobs[-1].model = None
            job = Job(len(self._jobs) + 1, state)
            self._jobs.append(job)
            return job

    def _run(self, job: Job, work: Any) -> None:
        """Do the work of a job in a thread of its own."""

        def run() -> None:
            try:
                with music_folder(self._lib):
                    work(job)
            except _StoppedError:
                job.state = "stopped"
            except (TrainingError, ModelError, UserError, ConfigError) as exc:
                job.message, job.state = _without_path(exc), "failed"
            except Exception as exc:
                self._services.context.report_failure("training", exc)
                job.message, job.state = "an unexpected error; the terminal shows it", "failed"

        job.thread = threading.Thread(target=run, daemon=True)
        job.thread.start()

    def _train(self, job: Job) -> None:
        services = self._services
        context, journal = services.context, services.context.journal(self._lib)
        bundled = context.reload_predictor(self._lib, services.predictor.pool, bundled=True)
        if not bundled.classifier.uses_cnn:
            raise TrainingError("training needs the CNN, which could not be loaded")
        progress = _LabelProgress(job, services.log)
        collector = LabelCollector(bundled, journal, progress, lookahead=_LOOKAHEAD)
        tracks = collector.collect(self._lib, self._lib.items(services.query))
        if not tracks.examples:
            raise TrainingError("no genre has enough tracks that can be used")
        job.state = "training"
        model, report = train_model(tracks, bundled, name=self.name)
        job.advance(0)
        job.model, job.use = model, self._use(model)
        job.report = self._report(tracks, model, report, bundled, progress.failures)
        job.state = "done"

    def _use(self, model: CustomModel) -> bool | str:
        """Return True if the configuration uses the model once it is saved, or else why not."""
        configured = self._services.predictor.config.model
        if configured == "bundled":
            return "Change `model: bundled` in the configuration to `model: auto` to use it."
        if configured == "auto" and model.metrics["default"] is False:
            return (
                "It is not better than the bundled model, so `model: auto` does not use it. Set "
                f"`model: {model.name}` in the configuration to use it anyway."
            )
        return True

    def _keep(self, name: str) -> None:
        """Keep the model that is about to be replaced. Raises ModelError or OSError."""
        if self._name_in_use == name or name in self._models.names():
            self._folder.mkdir(exist_ok=True)
            self._models.copy(name, self._previous)
            self._mark.unlink(missing_ok=True)
        else:
            self._mark.parent.mkdir(parents=True, exist_ok=True)
            self._mark.touch()

    def _predict(self, job: Job) -> None:
        """Load the model as it is stored now, and predict the tracks of the query again."""
        services = self._services
        with services.writing:
            predictor = services.context.reload_predictor(self._lib, services.predictor.pool)
            services.predictor = predictor
        of_artists = artists(self._lib, predictor.config)
        selection = TrackSelection(self._lib, services.query, artists=of_artists)
        job.begin(selection.total)
        classify = Classify(
            services.context,
            self._lib,
            predictor,
            _Options(),
            _PredictionProgress(job),
            command=f"{COMMAND} predict",
        )
        try:
            classify.run(selection)
        finally:
            job.run, job.changed = classify.run_id, classify.updated
            services.library.sort_again()
        job.state = "used"

    def _report(
        self,
        tracks: LabeledTracks,
        model: CustomModel,
        report: TrainingReport,
        bundled: Predictor,
        failures: int,
    ) -> dict[str, Any]:
        skipped = {**tracks.rare, **tracks.placeholders}
        warnings = [*report.warnings]
        if failures:
            warnings.append(f"tracks that could not be analyzed: {failures}")
        return {
            "tracks": report.tracks,
            "artists": report.artists,
            "tested": report.tested,
            "accepted": report.tracks - report.tested,
            "accuracy": report.accuracy,
            "majority_baseline": report.majority_baseline,
            "coverage": report.coverage,
            "selective_accuracy": report.selective_accuracy,
            "calibration_error": report.calibration_error,
            "genres": [vars(genre) for genre in report.genres],
            "confused": [
                {"genre": genre, "predicted": predicted, "tracks": number}
                for genre, predicted, number in report.confused[:_SHOWN]
            ],
            "suspects": self._suspects(tracks, report),
            "skipped": [{"genre": name, "tracks": number} for name, number in skipped.items()],
            "warnings": warnings,
            "comparison": _comparison(model, bundled),
            "last_training": self._last_training(),
        }

    def _suspects(self, tracks: LabeledTracks, report: TrainingReport) -> list[dict[str, Any]]:
        found = []
        for suspect in report.suspect_labels[:_SHOWN]:
            if item := self._lib.get_item(tracks.ids[suspect.index]):
                found.append(
                    {
                        "track": item.id,
                        "album": item.album_id or 0,
                        "title": item.title,
                        "artist": item.artist,
                        "genres": [*suspect.genres],
                        "predicted": suspect.predicted,
                        "confidence": suspect.confidence,
                    }
                )
        return found

    def _last_training(self) -> dict[str, Any] | None:
        """Return what was reported when the model in use was trained, on its tracks of then."""
        if not (name := self._name_in_use):
            return None
        try:
            described = self._models.describe(name)
        except ModelError:
            return None
        metrics = described.metrics
        return {"model": described.id, "accuracy": metrics["accuracy"], "tracks": metrics["tracks"]}


def _comparison(model: CustomModel, bundled: Predictor) -> dict[str, Any] | None:
    """Return how a model compares with the bundled one, None for too few tracks."""
    compared, own, other = (model.metrics[name] for name in ("compared", "own", "bundled"))
    if compared < MIN_TESTED:
        return None
    return {
        "with": bundled.classifier.model_id,
        "tracks": compared,
        "accuracy": own / compared,
        "previous": other / compared,
        "better": own - other,
    }


def _without_path(error: Exception) -> str:
    """Return the message of an error for the page, without the file that it may begin with."""
    text = str(error)
    return text.rpartition(": ")[2] if isinstance(error, (ModelError, OSError)) else text
