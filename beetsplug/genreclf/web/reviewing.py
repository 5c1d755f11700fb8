"""Decisions about tracks, each request a run of the journal, and undoing runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

from beets.library import Album, Item
from mediafile import UnreadableFileError

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands.undo import Undo
from beetsplug.genreclf.decisions import (
    ACCEPTED,
    CORRECTED,
    KEPT,
    DecisionError,
    common_decision,
    decide,
    decide_on_field,
    is_field_open,
    version,
)
from beetsplug.genreclf.planner import Planner
from beetsplug.genreclf.storage.lost_tracks import name_in_journal
from beetsplug.genreclf.storage.objects import get_values, reload
from beetsplug.genreclf.storage.snapshot import take_snapshot
from beetsplug.genreclf.storage.tag_file import reason
from beetsplug.genreclf.updates import Predicted, Update
from beetsplug.genreclf.web.decision_requests import AFTER_ALL, DecisionRequest, read_decisions
from beetsplug.genreclf.web.errors import (
    LOCKED_ERRORS,
    Conflict,
    Gone,
    Invalid,
    LaterRun,
    Locked,
    Stale,
    Undecodable,
    WebError,
)
from beetsplug.genreclf.web.tracks import track_object
from genremodel.errors import AudioError, ClusterError

if TYPE_CHECKING:
    from beetsplug.genreclf.predictor import Predictor
    from beetsplug.genreclf.storage.journal import Journal
    from beetsplug.genreclf.web.services import Services
    from beetsplug.genreclf.writer import Writer

COMMAND = "genreclf-web"  # followed by the decision, as the runs of the journal are named
PREDICTION_COMMAND = f"{COMMAND} predict"
LOCK_SECONDS = 5.0
MAX_UNDONE = 200  # tracks and albums of one request: about three seconds
_RUNS = """
SELECT id, started, command FROM runs WHERE command GLOB ? AND id < ?
AND EXISTS (SELECT 1 FROM changes WHERE run = runs.id) ORDER BY id DESC LIMIT ?
"""
_UNDOABLE = """
SELECT runs.id, journal_id FROM runs CROSS JOIN changes ON run = runs.id
WHERE command GLOB ? AND undone IS NULL ORDER BY runs.id DESC LIMIT 500
"""
_CHANGED = """
SELECT run, COUNT(DISTINCT journal_id), COUNT(undone) = COUNT(*), MIN(journal_id)
FROM changes WHERE run IN (SELECT value FROM json_each(?))
AND journal_id NOT IN (SELECT value FROM json_each(?)) GROUP BY run
"""
_LATER = """
SELECT MAX(later.run) FROM changes JOIN changes AS later USING (journal_id)
WHERE changes.run = ?1 AND later.run > ?1 AND later.id > changes.id
AND changes.undone IS NULL AND later.undone IS NULL
AND journal_id IN (SELECT value FROM json_each(?2))
"""
_NEW_LABELS = """
SELECT COUNT(DISTINCT journal_id) FROM changes
WHERE author = 'user' AND undone IS NULL AND time > ? AND new LIKE '%"genre_review"%'
"""

_Found: TypeAlias = list[tuple[int, str]]  # ids of tracks or albums, and their journal ids
_Place: TypeAlias = tuple[int, int]  # 0 for albums or 1 for tracks, and an id


class Reviewer:
    """Makes decisions, and takes them back."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lib = services.lib

    @property
    def _journal(self) -> Journal:
        return self._services.context.journal(self._lib)

    def genres_after(self, item: Item, prediction: Predicted) -> list[str] | None:
        """Return the genres that accepting gives a track, None if there is nothing to accept."""
        predictor = self._services.predictor
        try:
            update = self._plan(predictor, item, prediction)
            return [*decide(update, "accept", predictor.rules).values[fields.GENRES]]
        except DecisionError:
            return None

    def decide(self, decisions: object) -> dict[str, Any]:
        """Make decisions, as one run; return the tracks that are done, and those that failed."""
        requests = read_decisions(decisions)
        try:
            with self._services.writing:
                return self._decide_all(requests)
        finally:  # some may be done, whatever happened to the others
            self._services.library.changed(request.track for request in requests)

    def runs(self, *, before: int | None, limit: int) -> dict[str, Any]:
        """Return the runs of the page, newest first."""
        rows = self._journal.read(_RUNS, (f"{COMMAND}*", before or AFTER_ALL, limit + 1))
        more = len(rows) > limit
        runs = {row[0]: row for row in rows[:limit]}
        values = json.dumps([*runs]), json.dumps(self._services.library.journal_ids_of_albums())
        changed = {row[0]: row[1:] for row in self._journal.read(_CHANGED, values)}
        titles = self._titles({row[2]: row[0] for row in changed.values()})
        listed = [
            {
                "id": run,
                "started": started,
                "tracks": changed[run][0],
                **_parse_run_name(command),
                "title": titles.get(changed[run][2], ""),
                "undone": bool(changed[run][1]),
            }
            for run, started, command in runs.values()
            if run in changed
        ]
        return {"runs": listed, "next": rows[limit - 1][0] if more else None}

    def undoable(self) -> int | None:
        """Return the newest run that can be undone: its tracks may have been removed since."""
        rows = self._journal.read(_UNDOABLE, (f"{COMMAND}*",))
        newest = rows[0][0] if rows else None
        of_newest = {id_ for run, id_ in rows if run == newest}
        if self._services.library.find_tracks(of_newest, selected=True):
            return newest
        present = _journal_ids(*self._find({id_ for _, id_ in rows}))
        return next((run for run, journal_id in rows if journal_id in present), None)

    def undo(self, run: int, *, after: object = None, limit: object = MAX_UNDONE) -> dict[str, Any]:
        """Restore tracks of a run. Raises Gone, Invalid and LaterRun; then nothing is restored.

        after: `next` of the answer before. limit: how many albums and tracks to restore in this
        request, at most `MAX_UNDONE`, so that decisions need not wait for all of a long run.
        """
        journal, restored = self._journal, list[dict[str, Any]]()
        messages: dict[str, list[str]] = {"kept": [], "failed": []}
        first = _place(after)
        if type(limit) is not int or not 0 < limit <= MAX_UNDONE:
            raise Invalid(f"limit must be from 1 to {MAX_UNDONE}")
        with self._services.writing:
            ids = journal.objects_of_run(run) if run < AFTER_ALL else set[str]()
            if not ids and after is None:
                raise Gone("there is nothing to undo")
            if self._services.trainings.is_predicting and self._command(run) == PREDICTION_COMMAND:
                raise Conflict("tracks are still being predicted: stop that first")
            albums, tracks = self._find(ids)
            present = _journal_ids(albums, tracks)
            if not present and after is None:
                raise Gone("its tracks are not in the library any more")
            later = journal.read(_LATER, (run, json.dumps([*present])))[0][0]
            if later is not None:
                raise LaterRun(
                    f"a later run changed the same tracks: undo run {later} first, here or with "
                    f"beet genreclf-undo --run {later}",
                    run=later,
                )
            places = [(0, id_) for id_, _ in albums] + [(1, id_) for id_, _ in tracks]
            left = [place for place in places if place > first]
            try:
                for obj in self._objects(left[:limit]):
                    undo = Undo(
                        journal,
                        run,
                        self._services.context.tag_writer,
                        {},
                        fail=_titled(obj, messages["failed"]),
                        warn=_titled(obj, messages["kept"]),
                        quiet=True,
                    )
                    with journal.lock(LOCK_SECONDS):
                        now = reload(obj)
                        done = now is not None and undo.restore(now)
                    if done and isinstance(now, Item):
                        restored.append(track_object(now))
            finally:
                self._services.library.changed(track["id"] for track in restored)
        more = left[limit - 1] if len(left) > limit else None
        return {"run": run, "restored": restored, **messages, "next": more}

    def labels(self) -> dict[str, int]:
        """Return the number of decisions of each kind, and of those since the last training."""
        kinds = self._services.library.tracks_by_review()
        new = self._journal.read(_NEW_LABELS, (self._services.trainings.trained,))
        numbers = {kind: kinds.get(kind, 0) for kind in (ACCEPTED, KEPT, CORRECTED)}
        return numbers | {"new": new[0][0] if new else 0}

    def _decide_all(self, requests: Sequence[DecisionRequest]) -> dict[str, Any]:
        services, predictor = self._services, self._services.predictor
        writer = services.context.writer(self._lib, predictor, _run_name(requests))
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        album_ids = set[int]()
        for request in requests:
            try:
                done.append(self._decide(request, writer, predictor))
                if request.field == fields.GENRES:
                    album_ids.add(done[-1]["album_id"])
            except WebError as exc:
                failed.append({"track": request.track, **exc.as_object()})
            except LOCKED_ERRORS:
                if not done:
                    raise
                left = requests[len(done) + len(failed) :]
                failed += [{"track": each.track, **Locked().as_object()} for each in left]
                break
        else:
            for album_id in album_ids:
                try:
                    self._decide_album(album_id, writer, predictor)
                except LOCKED_ERRORS as exc:  # its tracks are done
                    services.log.warning("{}", exc)
        return {"run": writer.started_run, "done": done, "failed": failed}

    def _decide(
        self, request: DecisionRequest, writer: Writer, predictor: Predictor
    ) -> dict[str, Any]:
        """Make a decision; return the track as it is then."""
        services, of_genres = self._services, request.field == fields.GENRES
        item = services.item(request.track)
        prediction = self._prediction(item, predictor) if of_genres else None
        with writer.lock(LOCK_SECONDS):
            item = services.item(request.track)  # as it is under the lock
            if version(item) != request.version:
                raise Stale("the track was changed meanwhile")
            if writer.is_unplaced(item):
                raise Conflict("its import has not placed the file yet")
            try:
                if of_genres:
                    update = self._plan(predictor, item, prediction)
                    update = decide(update, request.decision, predictor.rules, request.labels)
                else:
                    update = self._decide_field(item, request)
            except DecisionError as exc:
                raise Invalid(str(exc)) from exc
            problem = None
            writes = of_genres and predictor.config.writes()
            try:
                writer.make(update, write=writes)
            except (UnreadableFileError, OSError) as exc:
                problem = reason(exc)
            answer = track_object(services.item(request.track))
        answer["written"] = writes and problem is None
        return answer | ({"problem": problem} if problem else {})

    def _decide_field(self, item: Item, request: DecisionRequest) -> Update:
        """Return the update of a track by a decision about a field other than `genres`."""
        own = fields.FieldSet.of(request.field)
        if not is_field_open(item, own):
            raise Stale(f"{request.field} was changed meanwhile")
        snapshot = take_snapshot(self._journal, item)
        return decide_on_field(snapshot, own, request.decision, request.labels)

    def _decide_album(self, album_id: int, writer: Writer, predictor: Predictor) -> None:
        """Decide about the genres of an album as the user has decided about all of its tracks."""
        with writer.lock(LOCK_SECONDS):
            album = self._lib.get_album(album_id)
            common = common_decision([*album.items()]) if album else None
            if album and common:
                update = Planner(predictor, self._journal).plan_nothing(album)
                with suppress(DecisionError):  # it has no predicted genre
                    writer.make(decide(update, common[0], predictor.rules, common[1]), write=False)

    def _prediction(self, item: Item, predictor: Predictor) -> Predicted | None:
        """Return a new prediction of a track that has none."""
        if get_values(item).get(fields.MODEL):
            return None
        path = self._services.track_path(item.id or 0)
        try:
            analysis = predictor.pool.submit(path).result()
        except (AudioError, ClusterError) as exc:
            raise Undecodable(f"cannot be analyzed: {exc}") from exc
        return Predicted(predictor.classifier.predict(analysis))

    def _plan(self, predictor: Predictor, item: Item, prediction: Predicted | None) -> Update:
        """Return the update of a track before the decision. prediction: if it has none stored."""
        planner = Planner(predictor, self._journal)
        if prediction and not get_values(item).get(fields.MODEL):
            return planner.plan(None, [item], {item.id: prediction})[0]
        album = item.get_album()
        joint = predictor.recall(album) if album and planner.shares_genre(album) else None
        return planner.plan_nothing(item, joint)

    def _find(self, journal_ids: set[str]) -> tuple[_Found, _Found]:
        """Return the albums and the tracks with some journal ids."""
        library = self._services.library
        return library.find_albums(journal_ids), library.find_tracks(journal_ids)

    def _command(self, run: int) -> str:
        return str(self._journal.read("SELECT command FROM runs WHERE id = ?", (run,))[0][0])

    def _objects(self, places: Sequence[_Place]) -> Iterator[Item | Album]:
        for is_track, id_ in places:
            if obj := self._lib.get_item(id_) if is_track else self._lib.get_album(id_):
                yield obj

    def _titles(self, tracks: dict[str, int]) -> dict[str, str]:
        """Return the titles of tracks, or of their albums, by journal ids.

        tracks: how many the run has changed.
        """
        titles = {}
        for id_, journal_id in self._services.library.find_tracks(tracks):
            if item := self._lib.get_item(id_):
                own = tracks[journal_id] == 1
                titles[journal_id] = _title(item) if own else item.album or ""
        return titles


def _run_name(requests: Iterable[DecisionRequest]) -> str:
    """Return the name of the run of decisions, with the field if all are about one but `genres`."""
    decisions = {request.decision for request in requests}
    about = {request.field for request in requests}
    name = f"{COMMAND} {decisions.pop() if len(decisions) == 1 else 'mixed'}"
    return f"{name} {about.pop()}" if len(about) == 1 and fields.GENRES not in about else name


def _parse_run_name(name: str) -> dict[str, str | None]:
    """Return the decision of a run, and the field, None if it is `genres`."""
    decision, _, field = name.removeprefix(COMMAND).strip().partition(" ")
    return {"decision": decision, "field": field or None}


def _place(after: object) -> _Place:
    """Return where a request continues. Raises Invalid."""
    if after is None:
        return (0, 0)
    if not isinstance(after, list) or [*map(type, after)] != [int, int]:
        raise Invalid("unknown place to continue after")
    return (after[0], after[1])


def _journal_ids(*found: _Found) -> set[str]:
    return {journal_id for pairs in found for _, journal_id in pairs}


def _titled(obj: Item | Album, messages: list[str]) -> Any:
    """Return a function that adds messages with the title in the place of the path."""
    title = _title(obj) if isinstance(obj, Item) else f"{obj.albumartist}, {obj.album}"
    prefix = f"{name_in_journal(obj)}: "
    return lambda message: messages.append(f"{title}: {message.removeprefix(prefix)}")


def _title(item: Item) -> str:
    return ", ".join(filter(None, (item.artist, item.title))) or "untitled"
