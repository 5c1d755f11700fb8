"""Trainings: a report first, then use or discard, and changing between the last two models."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from beets.exceptions import UserError
from beets.library import Library
from confuse import ConfigError

from beetsplug.genreclf.commands._classification import Classify
from beetsplug.genreclf.commands._selection import TrackSelection, artists
from beetsplug.genreclf.custom_training import (
    DEFAULT_NAME,
    LabelCollector,
    objection,
    require_scikit_learn,
    train_model,
)
from beetsplug.genreclf.fields import GENRES
from beetsplug.genreclf.storage.paths import models_folder
from beetsplug.genreclf.web.errors import Conflict, Gone
from beetsplug.genreclf.web.jobs import (
    Job,
    LabelProgress,
    PredictionProgress,
    State,
    StoppedError,
)
from beetsplug.genreclf.web.music_folder import music_folder
from beetsplug.genreclf.web.previous_model import PreviousModel
from beetsplug.genreclf.web.reviewing import LOCK_SECONDS, PREDICTION_COMMAND
from beetsplug.genreclf.web.training_report import (
    comparison_object,
    report_object,
    training_object,
)
from genremodel.custom.store import ModelStore
from genremodel.errors import ModelError, TrainingError

if TYPE_CHECKING:
    from beetsplug.genreclf.web.services import Services
    from genremodel.custom.custom_model import CustomModel, ModelInfo

_LOOKAHEAD = 2  # analyses, which must not keep the player waiting
_CLOSE_SECONDS = 0.5


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
        folder = models_folder(services.lib)
        self._models = ModelStore(folder)
        self._previous = PreviousModel(folder)
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
        model = self._in_use()
        return model.trained if model else 0.0

    @property
    def has_previous(self) -> bool:
        """Whether there is another model to change to."""
        configured = self._services.predictor.config.model
        return configured != "bundled" and self._previous.exists(self.name)

    def current(self) -> dict[str, Any] | None:
        """Return the job that is under way or waits for a decision."""
        job = self._jobs[-1] if self._jobs else None
        shown = job and (job.is_active or job.state == "done")
        return {"id": job.id, "state": job.state} if job and shown else None

    @property
    def is_predicting(self) -> bool:
        """Whether tracks are being predicted again."""
        return bool(self._jobs) and self._jobs[-1].state == "predicting"

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
                with self._services.context.journal(self._lib).lock(LOCK_SECONDS):
                    self._previous.keep(name)
                    self._models.save(job.model)
            except (ModelError, OSError) as exc:
                raise Conflict(f"the model cannot be saved: {_without_path(exc)}") from exc
            job.state, job.done, job.total = "predicting", 0, 0
        self._run(job, self._predict)

    def discard(self, job: Job) -> None:
        """Forget the model of a training. Raises Conflict."""
        with self._starting:
            if job.state != "done":
                raise Conflict("this training has no model to discard")
            job.model = None
            job.state = "discarded"

    def use_previous(self) -> int:
        """Use the previous model; return the id of the job. Raises Gone and Conflict.

        The model in use becomes the previous one, so the same again takes it back.
        """
        if not self.has_previous:
            raise Gone("there is no previous model")
        name = self.name
        job = self._new_job("predicting")
        try:
            self._previous.exchange(name)
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
            except StoppedError:
                job.state = "stopped"
            except (TrainingError, ModelError, UserError, ConfigError) as exc:
                job.message, job.state = _without_path(exc), "failed"
            except Exception as exc:
                self._services.context.report_failure("training", exc)
                job.message, job.state = "an unexpected error; the terminal shows it", "failed"

        job.thread = threading.Thread(target=run, daemon=True)
        job.thread.start()

    def _train(self, job: Job) -> None:
        require_scikit_learn()
        services = self._services
        context, journal = services.context, services.context.journal(self._lib)
        bundled = context.reload_predictor(self._lib, services.predictor.pool, bundled=True)
        if not bundled.classifier.uses_cnn:
            raise TrainingError("training needs the CNN, which could not be loaded")
        progress = LabelProgress(job, services.log)
        collector = LabelCollector(bundled, journal, progress, lookahead=_LOOKAHEAD)
        tracks = collector.collect(self._lib, self._lib.items(services.query))
        if not tracks.examples:
            raise TrainingError("no genre has enough tracks that can be used")
        job.state = "training"
        model, report = train_model(tracks, bundled, name=self.name)
        job.advance(0)
        job.model, job.use = model, self._use(model)
        job.report = report_object(tracks, report, self._lib.get_item)
        if progress.failures:
            job.report["warnings"].append(f"tracks that could not be analyzed: {progress.failures}")
        job.report["comparison"] = comparison_object(model, bundled.classifier.model_id)
        in_use = self._in_use()
        job.report["last_training"] = training_object(in_use) if in_use else None
        job.state = "done"

    def _use(self, model: CustomModel) -> bool | str:
        """Return True if the configuration uses the model once it is saved, or else why not."""
        configured = self._services.predictor.config.model
        if configured == "bundled":
            return "Change `model: bundled` in the configuration to `model: auto` to use it."
        if kind := self._kind_kept(model.name):
            return (
                f"There is {kind} of the name {model.name}, which is not replaced. Install or "
                "train it under another name, delete this one, and train again."
            )
        if configured == "auto" and model.metrics["default"] is False:
            reason = objection(model.metrics).removeprefix("it ")
            return (
                f"It {reason}, so `model: auto` does not use it. Set `model: {model.name}` in the "
                "configuration to use it anyway."
            )
        return True

    def _kind_kept(self, name: str) -> str | None:
        """Return which kind of model has a name, if no training may replace it."""
        with suppress(ModelError):
            model = self._models.describe(name)
            if model.installed:
                return "an installed model"
            return None if model.field == GENRES else f"a model of the field {model.field}"
        return None

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
            PredictionProgress(job),
            command=PREDICTION_COMMAND,
        )
        try:
            classify.run(selection)
        finally:
            job.run, job.changed = classify.run_id, classify.updated
            services.library.sort_again()
        job.state = "used"

    def _in_use(self) -> ModelInfo | None:
        """Return the custom model in use, None for the bundled one."""
        with suppress(ModelError):
            return self._models.describe(self._name_in_use) if self._name_in_use else None
        return None


def _without_path(error: Exception) -> str:
    """Return the message of an error for the page, without the file that it may begin with."""
    text = str(error)
    return text.rpartition(": ")[2] if isinstance(error, (ModelError, OSError)) else text
