"""Plan the updates of albums and tracks: predictions, the journal and the policy put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from beets.library import Album, Item

from beetsplug.genreclf.fields import PREDICTED_GENRE
from beetsplug.genreclf.storage.objects import get_values
from beetsplug.genreclf.storage.snapshot import take_snapshot
from beetsplug.genreclf.updates import Predicted, Update, plan_updates

if TYPE_CHECKING:
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.storage.journal import Journal


class Planner:
    """Plans the updates that a predictor's predictions make. Its methods raise JournalError.

    respell: see `plan_updates`.
    """

    def __init__(self, predictor: Predictor, journal: Journal, *, respell: bool = False) -> None:
        self._predictor = predictor
        self._journal = journal
        self._rules = predictor.rules
        self._respell = respell

    def plan(
        self,
        album: Album | None,
        items: Iterable[Item],
        predicted: Mapping[int | None, Predicted],
    ) -> list[Update]:
        """Return the updates of tracks, and of the album that they are on, which comes last.

        predicted: the predictions of the tracks of the album by their ids, of these and others.
        """
        objs: list[tuple[Item | Album, Predicted]] = []
        objs += [(item, predicted[item.id]) for item in items if item.id in predicted]
        shared = None
        if album and predicted:
            of_album = self._predictor.predict_album(album, [*predicted.values()])
            shared = of_album if self.shares_genre(album) else None
            objs.append((album, of_album))
        return self._plan(objs, shared)

    def replan(self, album: Album | None, objs: Iterable[Item | Album]) -> list[Update]:
        """Return the updates by the policy of today; the predictions stay as they are.

        album: the one whose genre they get, if they do not get their own.
        """
        shared = self._predictor.recall(album) if album else None
        return self._plan([(obj, self._predictor.recall(obj)) for obj in objs], shared)

    def shares_genre(self, album: Album) -> bool:
        """Return whether all tracks of an album get its genre."""
        config = self._predictor.config
        return config.scope == "album" and (config.compilations or not album.comp)

    def lacks_genres(self, obj: Item | Album, deciding: Item | Album) -> bool:
        """Return whether a current track or album lacks the genres that the policy gives it.

        Not if genres that the plugin had set have been emptied since. deciding: the track
        or album whose predicted genre it gets.
        """
        return bool(
            self._predictor.config.policy != "never"
            and self._rules.are_missing(obj.genres)
            and self._predictor.is_current(obj)
            and get_values(deciding).get(PREDICTED_GENRE)
            and not take_snapshot(self._journal, obj).was_emptied
        )

    def _plan(
        self, predicted: Iterable[tuple[Item | Album, Predicted]], shared: Predicted | None
    ) -> list[Update]:
        snapshots = [(take_snapshot(self._journal, obj), own) for obj, own in predicted]
        return plan_updates(snapshots, self._rules, shared, respell=self._respell)
