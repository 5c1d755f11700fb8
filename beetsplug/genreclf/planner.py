"""Plan the updates of albums and tracks: predictions, the journal and the policy put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import compress
from typing import TYPE_CHECKING

from beets.library import Album, Item

from beetsplug.genreclf.fields import JOURNAL_ID, PREDICTED_GENRE
from beetsplug.genreclf.genres.normalize import squash
from beetsplug.genreclf.storage.objects import get_values
from beetsplug.genreclf.storage.snapshot import Snapshot, take_snapshot
from beetsplug.genreclf.updates import (
    Predicted,
    Update,
    plan_nothing,
    plan_others,
    plan_update,
)

if TYPE_CHECKING:
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.storage.journal import Journal
    from genremodel.album_decision import AlbumDecision


class Planner:
    """Plans the updates that a predictor's predictions make. Its methods raise JournalError.

    respell: see `plan_update`.
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
        by_artist: Mapping[int | None, Predicted] | None = None,
    ) -> list[Update]:
        """Return the updates of tracks, and of the album that they are on, which comes last.

        predicted: the predictions of the tracks of the album by their ids, of these and others.
        by_artist: the predictions of the artists whose genre tracks get, by the ids of the tracks.
        """
        joint = {**(by_artist or {})}
        of_album = None
        if album and predicted:
            of_album = self._predictor.predict_album(album, [*predicted.values()])
            joint |= self._given_by(album, of_album, predicted)
        updates = [
            self._plan(item, self._keep_given(item, predicted[item.id]), joint.get(item.id))
            for item in items
            if item.id in predicted
        ]
        if album and of_album:
            updates.append(self._plan(album, of_album, _common(joint, predicted)))
        return updates

    def replan(
        self,
        objs: Iterable[Item | Album],
        joint: Predicted | None,
        recalled: Mapping[int | None, Predicted],
        predicted: Mapping[int | None, Predicted],
    ) -> list[Update]:
        """Return the updates by the policy of today; the predictions of genres stay as they are.

        joint: the prediction of the album or artist whose genre they get instead of their own.
        recalled: predictions of tracks that are known already, by their ids. predicted: tracks that
        get new predictions of other fields.
        """
        updates = []
        for obj in objs:
            own = recalled.get(obj.id) if isinstance(obj, Item) else None
            own = self._keep_given(obj, own or self._predictor.recall(obj))
            if isinstance(obj, Item) and obj.id in predicted:
                own = replace(own, others=predicted[obj.id].others)
            updates.append(self._plan(obj, own, joint))
        return updates

    def plan_others(
        self, items: Iterable[Item], predicted: Mapping[int | None, Predicted]
    ) -> list[Update]:
        """Return the updates of tracks that change the predictions of other fields alone.

        predicted: by their ids.
        """
        return [
            plan_others(self._snapshot(item), predicted[item.id], self._rules)
            for item in items
            if item.id in predicted
        ]

    def plan_nothing(self, obj: Item | Album, joint: Predicted | None = None) -> Update:
        """Return an update that changes nothing yet, for `decisions.decide`.

        joint: as for `replan`.
        """
        prediction = joint.prediction if joint else None
        if prediction and prediction.genre is None:  # it gets its own
            prediction = None
        return plan_nothing(self._snapshot(obj), self._rules, prediction)

    def shares_genre(self, album: Album) -> bool:
        """Return whether all tracks of an album get its genre."""
        config = self._predictor.config
        return config.scope == "album" and (config.compilations or not album.comp)

    def may_decide(self, album: Album) -> bool:
        """Return whether tracks of an album may get its genre, depending on their predictions."""
        return self._predictor.config.scope == "auto" or self.shares_genre(album)

    def decision(
        self, album: Album, predicted: Mapping[int | None, Predicted]
    ) -> AlbumDecision | None:
        """Return the decision of an album about its uncertain tracks, with the scope `auto` only.

        predicted: the predictions of its tracks by their ids.
        """
        if self._predictor.config.scope != "auto" or not predicted:
            return None
        of_album = self._predictor.predict_album(album, [*predicted.values()])
        return self._predictor.decide_for_tracks(album, of_album, predicted.values())

    def lacks_genres(self, obj: Item | Album, album: Album | None) -> bool:
        """Return whether a current track or album lacks the genres that the policy gives it.

        Not if genres that the plugin had set have been emptied since. album: the one that shares
        its genre, if any.
        """
        deciding = (get_values(each).get(PREDICTED_GENRE) for each in (album, obj) if each)
        return bool(
            self._predictor.config.policy != "never"
            and self._rules.are_missing(obj.genres)
            and self._predictor.is_current(obj)
            and any(deciding)
            and not take_snapshot(self._journal, obj).was_emptied
        )

    def replaceable_genres(self, obj: Item | Album) -> frozenset[str] | None:
        """Return the genres of a current track or album that its artist's replaces without force.

        That is the one that the plugin gave it, as `squash` returns it, without a style after it;
        empty if it has no genres. None if its genres stay: they are the user's, or the user has
        emptied them.
        """
        if self._predictor.config.policy == "never" or not self._predictor.is_current(obj):
            return None
        snapshot = take_snapshot(self._journal, obj)
        if self._rules.are_missing(obj.genres):
            return None if snapshot.was_emptied else frozenset()
        if obj.genres == snapshot.genres_before:
            return None
        given = [name for name in obj.genres if name not in snapshot.genres_before]
        genre, *_ = given or obj.genres  # "replace" may leave one from before
        return frozenset({squash(genre)})

    def _given_by(
        self, album: Album, of_album: Predicted, predicted: Mapping[int | None, Predicted]
    ) -> dict[int | None, Predicted]:
        """Return the prediction of an album by the ids of the tracks that get its genre.

        With the scope `auto`, only tracks with a new prediction do.
        """
        if self.shares_genre(album):
            return dict.fromkeys(predicted, of_album)
        if self._predictor.config.scope != "auto":
            return {}
        decision = self._predictor.decide_for_tracks(album, of_album, predicted.values())
        taking = compress(predicted, decision.taking)
        return {id_: of_album for id_ in taking if not predicted[id_].kept}

    def _keep_given(self, obj: Item | Album, own: Predicted) -> Predicted:
        """Return the prediction that a track keeps, perhaps its album's, or its own new one."""
        is_kept = own.kept and self._predictor.config.scope == "auto"
        given = self._predictor.recall_given(obj) if is_kept else None
        return replace(given, others=own.others) if given else own

    def _plan(self, obj: Item | Album, own: Predicted, joint: Predicted | None) -> Update:
        return plan_update(self._snapshot(obj), own, self._rules, joint, respell=self._respell)

    def _snapshot(self, obj: Item | Album) -> Snapshot:
        digest = None
        if isinstance(obj, Item) and not get_values(obj).get(JOURNAL_ID):
            digest = self._predictor.pool.cache.digest_of(obj.filepath)
        return take_snapshot(self._journal, obj, digest)


def _common(joint: Mapping[int | None, Predicted], ids: Iterable[int | None]) -> Predicted | None:
    """Return the prediction that all tracks have in common, None if they have different ones."""
    first, *others = [joint.get(id_) for id_ in ids]
    return first if all(other is first for other in others) else None
