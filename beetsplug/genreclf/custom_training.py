"""Train custom models on the labels of a library, for the command line and the review page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from beets.exceptions import UserError
from beets.library import Item, Library
from beets.util import displayable_path

from beetsplug.genreclf import fields
from beetsplug.genreclf.decisions import ACCEPTED
from beetsplug.genreclf.genres.agreement import Agreement, agreement
from beetsplug.genreclf.genres.labels import Vocabulary, is_placeholder, labels
from beetsplug.genreclf.genres.normalize import squash
from beetsplug.genreclf.messages import count
from beetsplug.genreclf.storage.artists import Artists
from beetsplug.genreclf.storage.objects import get_values
from beetsplug.genreclf.storage.snapshot import genres_before

if TYPE_CHECKING:
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.storage.journal import Journal
    from genremodel.custom.custom_model import CustomModel
    from genremodel.custom.dataset import LabeledTrack
    from genremodel.custom.report import TrainingReport

DEFAULT_NAME = "mine"
DEFAULT_MIN_TRACKS = 8
_COMMON = 20  # tracks of a genre that a model must recognize, or `model: auto` does not use it


class Progress(Protocol):
    """Shows the analysis of labeled tracks. Messages begin with the path."""

    def begin(self, total: int) -> None:
        """Begin with a number of tracks."""

    def advance(self) -> None:
        """Count a track."""

    def warn(self, message: str) -> None:
        """Report a track or a label that is left out."""

    def fail(self, message: str) -> None:
        """Report a track that cannot be analyzed. It is counted as well."""


@dataclass(frozen=True)
class LabeledTracks:
    """The tracks that a model is trained on.

    ids, paths, examples: of the tracks. fitting: how the bundled predictions agree with the labels,
    empty for tracks that are not tested.
    labeled: number of tracks with labels, also rare ones. rare: labels with too few tracks, and how
    many each has. placeholders: the same of labels that name no genre.
    """

    ids: list[int]
    paths: list[str]
    examples: list[LabeledTrack]
    fitting: list[Agreement]
    labeled: int
    rare: Mapping[str, int]
    placeholders: Mapping[str, int]


class LabelCollector:
    """Collects the labels of tracks, and their analyses.

    predictor: with the bundled model. field: that the labels are from. min_tracks: of a genre.
    lookahead: as for `Pool.map`.
    """

    def __init__(
        self,
        predictor: Predictor,
        journal: Journal,
        progress: Progress,
        *,
        field: str = fields.GENRES,
        min_tracks: int = DEFAULT_MIN_TRACKS,
        lookahead: int | None = None,
    ) -> None:
        self._predictor = predictor
        self._journal = journal
        self._progress = progress
        self._field = field
        self._min_tracks = min_tracks
        self._lookahead = lookahead
        self._placeholders = Counter[str]()
        self._accepted = set[int]()  # tracks whose labels the user accepted from a prediction

    def collect(self, lib: Library, items: Iterable[Item]) -> LabeledTracks:
        """Return the tracks whose labels are common enough, analyzed."""
        from genremodel.custom.dataset import LabeledTrack

        labeled, progress = self._labeled(items), self._progress
        enough = Vocabulary.from_tracks(labeled.values(), self._min_tracks)
        # By id, so that the same tracks give the same model in whatever order they are listed.
        wanted = sorted(id_ for id_, own in labeled.items() if enough.canonical(own))
        artist_of = Artists(lib).key
        analyzed: list[tuple[int, str, LabeledTrack, Agreement]] = []
        progress.begin(len(wanted))
        for track, analysis in self._predictor.iter_analyses(
            lib, wanted, progress.fail, self._lookahead
        ):
            id_, path = track.id or 0, displayable_path(track.path)
            progress.advance()
            if not analysis.audible.any():
                progress.warn(f"{path}: skipped: silent")
                continue
            example = LabeledTrack(
                analysis,
                enough.canonical(labeled[id_]),
                artist_of(track),
                is_tested=id_ not in self._accepted,
            )
            bundled = next(iter(self._predictor.classifier.predict(analysis).votes))
            fits = agreement(labeled[id_], bundled) if example.is_tested else ""
            analyzed.append((id_, path, example, fits))
        vocabulary = Vocabulary.from_tracks(
            (example.genres for _, _, example, _ in analyzed), self._min_tracks
        )
        found = [
            (id_, path, example.with_genres(genres), fit)
            for id_, path, example, fit in analyzed
            if (genres := vocabulary.canonical(example.genres))
        ]
        ids, paths, examples, fitting = zip(*found, strict=True) if found else ((), (), (), ())
        return LabeledTracks(
            [*ids], [*paths], [*examples], [*fitting], len(labeled),
            {**enough.left_out, **vocabulary.left_out}, self._placeholders,
        )  # fmt: skip

    def _labeled(self, items: Iterable[Item]) -> dict[int, list[str]]:
        """Return the labels of tracks by their ids, without those that cannot be trained on."""
        from genremodel.display import has_control_characters

        placeholders, refused = self._predictor.config.placeholders, Counter[str]()
        labeled = {}
        for track in items:
            own = self._labels(track)
            refused.update(name for name in own if has_control_characters(name))
            own = [name for name in own if name not in refused]
            self._placeholders.update(name for name in own if is_placeholder(name, placeholders))
            if track.id is not None and (own := [x for x in own if x not in self._placeholders]):
                labeled[track.id] = own
                if self._is_accepted(track):
                    self._accepted.add(track.id)
        for name, number in sorted(refused.items()):
            self._progress.warn(
                f"skipped label {name!r}: control characters ({count(number, 'track')})"
            )
        return labeled

    def _is_accepted(self, track: Item) -> bool:
        is_genre = self._field == fields.GENRES
        own = fields.GENRE if is_genre else fields.FieldSet.of(self._field)
        return get_values(track).get(own.review) == ACCEPTED

    def _labels(self, track: Item) -> list[str]:
        """Return the labels of a track, without genres that the plugin set."""
        if self._field != fields.GENRES:
            return labels(track.get(self._field), numbers=False)
        own, values = labels(genres_before(self._journal, track)), get_values(track)
        genre = values.get(fields.PREDICTED_GENRE)
        if genre and values.get(fields.MODEL) and not values.get(fields.JOURNAL_ID):
            from genremodel.style_hierarchy import style_after

            # Set in another library, in whichever spelling.
            others = [label for label in own if not self._is_spelling(label, genre)]
            style = style_after(genre, values.get(fields.STYLES) or ())
            if style and others != own:  # it only stands after the genre
                others = [label for label in others if not self._is_spelling(label, style)]
            return others
        return own

    def _is_spelling(self, label: str, name: str) -> bool:
        """Return whether the plugin may have spelled a genre or style of the model so."""
        return squash(label) in {*map(squash, (name, self._predictor.rules.spelled(name)))}


def require_scikit_learn() -> None:
    """Raise UserError without scikit-learn, before tracks are analyzed in vain."""
    try:
        import sklearn  # noqa: F401
    except ImportError as exc:
        raise UserError(f"training needs scikit-learn: pip install scikit-learn ({exc})") from exc


def train_model(
    tracks: LabeledTracks,
    predictor: Predictor,
    *,
    name: str,
    field: str = fields.GENRES,
    linear: bool = False,
) -> tuple[CustomModel, TrainingReport]:
    """Return a model, with a comparison with the bundled one in its metrics, and its report.

    predictor: with the bundled model. linear: do not compare with nearest neighbors. Raises
    TrainingError.
    """
    from genremodel.custom.training import train

    model, report = train(
        tracks.examples,
        name=name,
        field=field,
        features_version=predictor.classifier.features_version,
        estimator="linear" if linear else None,
    )
    metrics = {**model.metrics, **compare(report, tracks.fitting)}
    return replace(model, metrics=metrics), report


def compare(report: TrainingReport, fitting: Sequence[Agreement]) -> dict[str, Any]:
    """Return how a model compares with the bundled one on the same tracks.

    fitting: how the bundled prediction agrees with the labels of each example that is tested.
    "compared": number of tracks where that is known; "own", "bundled": how many of them each
    predicts correctly; "missed": genres of many tracks that the model never recognizes; "default":
    whether `model: auto` may use it.
    """
    compared = [i for i, fits in enumerate(fitting) if fits]
    bundled = sum(fitting[i] == "agrees" for i in compared)
    own = sum(report.correct[i] for i in compared)
    missed = [x.genre for x in report.genres if x.tested >= _COMMON and not x.recall]
    return {
        "compared": len(compared),
        "own": own,
        "bundled": bundled,
        "missed": missed,
        "default": not missed and (own > bundled or not compared),
    }


def is_comparable(metrics: Mapping[str, Any]) -> bool:
    """Return whether a model has been compared with the bundled one on enough tracks."""
    from genremodel.custom.report import MIN_TESTED

    return bool(metrics["compared"] >= MIN_TESTED)


def objection(metrics: Mapping[str, Any]) -> str:
    """Return the reason why `model: auto` does not use a model."""
    if metrics["missed"]:
        return f"it never recognizes {', '.join(metrics['missed'])}"
    if not is_comparable(metrics):
        return "it is not known to be better than the bundled model"
    return "it is not better than the bundled model"
