"""From verdicts to fields and tags: what changes on tracks and albums, written down and made."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from functools import partial
from logging import Logger
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from beets import config
from beets.library import Album, Item, Library
from beets.util import displayable_path

from beetsplug.genreclf import fields
from beetsplug.genreclf.genres.agreement import Agreement, agreement
from beetsplug.genreclf.genres.labels import is_placeholder
from beetsplug.genreclf.genres.policy import new_genres
from beetsplug.genreclf.queries import ALBUM_QUERIES
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Change, Journal, Place, revert
from beetsplug.genreclf.storage.lost_tracks import find_journal_id, name_in_journal
from beetsplug.genreclf.storage.tag_file import NAMES, Tag, TagFile
from beetsplug.genreclf.storage.values import Values, diff, is_absent, same

if TYPE_CHECKING:
    from concurrent.futures import Future

    from beetsplug.genreclf.config import Config
    from beetsplug.genreclf.storage.tag_writer import TagWriter
    from genremodel import GenreClassifier, Prediction
    from genremodel.analysis import Analysis
    from genremodel.batch.pool import Pool

T = TypeVar("T")
Report = Callable[[str], None]
# Tracks that are being heard while others are decided and written, so that no worker waits.
AHEAD = 64
_NONE: Mapping[int | None, Prediction] = MappingProxyType({})


class Failures:
    """Says what fails, and counts it."""

    def __init__(self, log: Logger) -> None:
        self.count = 0
        self._log = log

    def report(self, message: str) -> None:
        """Report one more failure. message: path first."""
        self.count += 1
        self._log.error("{}", message)


@dataclass(frozen=True)
class Update:
    """What a verdict makes of a track or an album.

    genre: what the policy puts into its genres, as spelled. before: its genres before the plugin
    gave it one. old: its fields until now. values: its fields from now on. synced: the database
    knew all that the file has.
    """

    model: Item | Album
    genre: str | None
    before: list[str]
    old: Values
    values: Values
    synced: bool

    def __str__(self) -> str:
        """Return what was heard in it, for the log."""
        verdict = self.values[fields.GENRE] or f"no genre, {self.values[fields.REASON]}"
        confidence = self.values[fields.CONFIDENCE]
        sureness = "" if confidence is None else f" ({confidence:.3f})"
        votes = f": {self.values[fields.VOTES] or ''}" if isinstance(self.model, Album) else ""
        return f"{displayable_path(self.model.path)}: {verdict}{sureness}{votes}"

    def with_genres(self, genres: list[str]) -> Update:
        """Return the same update with other genres."""
        return replace(self, values={**self.values, fields.GENRES: genres})

    @property
    def outcome(self) -> str:
        """What becomes of the genres."""
        if self.genre is None:
            return "abstained"
        return "written" if self.values[fields.GENRES] != self.model.genres else "kept"

    @property
    def gives(self) -> bool:
        """Whether the genres are what the plugin made them, and nobody has changed them since."""
        genres = self.values[fields.GENRES]
        return bool(genres != self.before and genres == self.model.genres)


class Tagger:
    """Hears tracks, decides what changes, and changes it.

    pool: analyses files for the classifier. writer: saves tags. command: what the journal calls the
    run. stands_in: the classifier takes the place of another, that cannot be used now; what has
    been decided stays.
    """

    def __init__(
        self,
        classifier: GenreClassifier,
        pool: Pool,
        settings: Config,
        journal: Journal,
        writer: TagWriter,
        command: str,
        *,
        stands_in: bool = False,
    ) -> None:
        self.classifier = classifier
        self.settings = settings
        self.pool = pool
        self._journal = journal
        self._redo_log = RedoLog(journal)
        self._writer = writer
        self._command = command
        self._stands_in = stands_in
        self._own_genres = frozenset(classifier.genres if classifier.is_custom else ())
        self._begun: int | None = None
        self._lock = threading.Lock()  # the stages of an import are threads

    @property
    def _run(self) -> int:
        with self._lock:
            if self._begun is None:
                self._begun = self._journal.begin(self._command)
            return self._begun

    def is_current(self, model: Item | Album) -> bool:
        """Tell whether a track or an album has a prediction that this model would not better.

        One read from a file counts only if the file also says which model made it; one by a model
        is not replaced by what stands in for it.
        """
        model_id = fields.own_values(model).get(fields.MODEL)
        return model_id == self.classifier.model_id or bool(model_id and self._stands_in)

    def submit(self, tracks: Iterable[Item]) -> dict[int | None, Future[Analysis]]:
        """Begin to hear tracks; return what to wait for, by their ids."""
        return {track.id: self.pool.submit(track.filepath) for track in tracks}

    def hear(self, tracks: Collection[Item], report: Report) -> dict[int | None, Prediction]:
        """Return the verdicts on tracks by their ids. report: takes what fails, path first."""
        return self.collect(tracks, self.submit(tracks), report)

    def collect(
        self, tracks: Iterable[Item], pending: Mapping[int | None, Future[Analysis]], report: Report
    ) -> dict[int | None, Prediction]:
        """Wait for tracks that have been submitted, and return the verdicts on them."""
        heard = {}
        for track in tracks:
            if track.id in pending:
                verdict = _attempt(track, partial(self._decided, pending[track.id]), report)
                if verdict:
                    heard[track.id] = verdict
        return heard

    def analyses(
        self, lib: Library, ids: Iterable[int | None], report: Report
    ) -> Iterator[tuple[Item, Analysis]]:
        """Hear tracks, some ahead of the one that is yielded; report: takes what fails."""
        ahead: deque[tuple[Item, Future[Analysis]]] = deque()

        def next_heard() -> Iterator[tuple[Item, Analysis]]:
            track, pending = ahead.popleft()
            if analysis := _attempt(track, pending.result, report):
                yield track, analysis

        for track in filter(None, (lib.get_item(id_) for id_ in ids if id_ is not None)):
            ahead.append((track, self.pool.submit(track.filepath)))
            if len(ahead) > AHEAD:
                yield from next_heard()
        while ahead:
            yield from next_heard()

    def recall(self, track: Item) -> Prediction:
        """Return the prediction that a current track has, without a new analysis."""
        from beetsplug.genreclf.recalled import recalled
        from genremodel import AudioError

        analysis = None
        if fields.own_values(track)[fields.MODEL] == self.classifier.model_id:
            with suppress(AudioError):
                analysis = self.pool.lookup_audio(track.filepath)
        return recalled(track, self.classifier.predict(analysis) if analysis else None, self._names)

    def updates(
        self,
        album: Album | None,
        tracks: Iterable[Item],
        heard: Mapping[int | None, Prediction],
        recalled: Mapping[int | None, Prediction] = _NONE,
    ) -> list[Update]:
        """Decide what changes on tracks, and on the album that they are of.

        heard: the verdicts on tracks of the album. recalled: those that tracks have already, whose
        genre, confidence, styles and model stay. The album comes last.
        """
        from beetsplug.genreclf.recalled import kept_fields

        verdicts = {**heard, **recalled}
        of_album = self._of_album(album, [*verdicts.values()]) if album and verdicts else None
        as_one = of_album if album and self.is_one(album) else None
        updates = []
        for track in tracks:
            if track.id in verdicts:
                kept = kept_fields(track) if track.id in recalled else {}
                updates.append(self._update(track, verdicts[track.id], kept, as_one))
        if album and of_album:
            updates.append(self._update(album, *of_album))
        return updates

    def reapplied(self, album: Album | None, models: Iterable[Item | Album]) -> list[Update]:
        """Apply the policy to tracks, or their album, whose predictions stay as they are.

        album: the one whose genre they get, if they do not get their own.
        """
        from beetsplug.genreclf.recalled import kept_fields, recalled

        def known(model: Item | Album) -> tuple[Prediction, Values]:
            if isinstance(model, Item):
                return self.recall(model), kept_fields(model)
            return recalled(model, None, self._names), kept_fields(model)

        as_one = known(album) if album else None
        return [self._update(model, *known(model), as_one) for model in models]

    def misses_policy(self, model: Item | Album, decisive: Item | Album) -> bool:
        """Return whether a current track or album misses the genres that the policy gives it.

        Not where this plugin gave genres and somebody has emptied them since. decisive: the track
        or album whose predicted genre it gets.
        """
        return bool(
            self.settings.policy != "never"
            and self.has_no_genres(model)
            and self.is_current(model)
            and fields.own_values(decisive).get(fields.GENRE)
            and not self.was_emptied(model)
        )

    def was_emptied(self, model: Item | Album) -> bool:
        """Return whether the journal shows that somebody emptied genres that this plugin gave."""
        if model.genres:
            return False
        own = fields.own_values(model)
        for change in changes_in(self._journal, model, "database"):
            if fields.GENRES in change.new and not self._was_never_made(change, own):
                return not is_absent(change.new[fields.GENRES])
        return False

    def _was_never_made(self, change: Change, own: Mapping[str, Any]) -> bool:
        """Return whether the process was killed between the journal and the database.

        Then all fields still have their old values. They also do where genres alone were given and
        the user has emptied them, but then no tags are waiting to be written to the file.
        """
        if any(not same(own.get(name), change.old.get(name)) for name in change.names):
            return False
        return change.names != {fields.GENRES} or self._journal.is_write_pending(
            own[fields.HISTORY]
        )

    def before(self, model: Item | Album) -> list[str]:
        """Return the genres from before the plugin, or those of now where somebody changed them."""
        changes = changes_in(self._journal, model, "database")
        before, _ = revert(fields.own_values(model), changes)
        return [*before[fields.GENRES]]

    def has_no_genres(self, model: Item | Album) -> bool:
        """Return whether a track or an album has no genres, or placeholders only."""
        return all(is_placeholder(name, self.settings.placeholders) for name in model.genres)

    def stored(self, track: Item) -> Update:
        """Return the update that made a track what it is, so that its tags can be written."""
        before = self.before(track)
        given = [name for name in track.genres if name not in before]
        values = fields.own_values(track)
        genre = given[0] if given else None
        return Update(track, genre, before, values, values, is_synced(track))

    def lock(self) -> AbstractContextManager[None]:
        """Let no other command change what is changed meanwhile."""
        return self._journal.lock()

    def is_stale(self, model: Item | Album) -> bool:
        """Tell whether a track or an album has been changed or removed since it was read."""
        fresh = fields.fresh(model)
        if fresh is None:
            return True
        read, now = fields.own_values(model), fields.own_values(fresh)
        return not all(same(read.get(name), now.get(name)) for name in read.keys() | now.keys())

    def is_unwritten(self, track: Item) -> bool:
        """Tell whether the tags of a track were to be written and could not be."""
        history = fields.own_values(track).get(fields.HISTORY)
        return bool(history and self._journal.is_write_pending(history))

    def is_unplaced(self, track: Item) -> bool:
        """Return whether an import has not placed a file in the library, and may never."""
        return self._journal.is_placement_pending(track.path, track.added)

    def store(self, update: Update, *, writes: bool) -> None:
        """Set the fields in the database. Raises JournalError, and then nothing is changed.

        writes: the tags of the track are to follow; if that fails, `is_unwritten` tells of it.
        """
        if isinstance(update.model, Album):
            self.shadow(update.model.items())
        self._set(update.model, update.values, writes=writes and isinstance(update.model, Item))

    def part(self, album: Album) -> None:
        """Give an album a history of its own, where it and others have been one before.

        To be called while it is imported again; beets has copied all fields to each of them.
        """
        history = fields.own_values(album).get(fields.HISTORY)
        if not history:
            return
        sharing = ALBUM_QUERIES[fields.HISTORY](fields.HISTORY, history)
        if len(album.db.albums(sharing)) > 1:
            fields.set_values(album, {fields.GENRES: album.genres})
            fields.store(album)

    def shadow(self, tracks: Iterable[Item]) -> None:
        """Give tracks an empty value of each field that they would have from their album."""
        for track in tracks:
            self._set(track, {**fields.EMPTY, **fields.own_values(track)})

    def write(self, update: Update, *, pretend: bool = False) -> list[str]:
        """Write the tags of a track; return the names of those that change. pretend: write none.

        Raises JournalError, UnreadableFileError or OSError, NotWritten among them.
        """
        item = update.model
        assert isinstance(item, Item)
        file = TagFile(item.filepath)
        file.set(self._tags(update, file.read()))
        if pretend:
            changes = file.changes(id3v23=config["id3v23"].get(bool))
        else:
            self._set(item, fields.own_values(item))  # a prediction from a file has no history yet
            changes = self._save(file, item, update.synced)
            self._journal.clear_write_pending(item[fields.HISTORY])
        return [name for name in NAMES if any(name in values for values in changes)]

    def _tags(self, update: Update, old: Mapping[str, Tag]) -> dict[str, Any]:
        """Return the values of the tags that a file is to have. old: the tags that it has."""
        item = update.model
        values = {name: update.values.get(name) for name in fields.MEDIA_FIELDS}
        before = _genres(revert(old, changes_in(self._journal, item, "file"))[0])
        if not same(update.values[fields.GENRES], item.genres):
            pass  # another plugin has changed them since the decision: they are not ours to write
        elif before == update.before:
            values[fields.GENRES] = update.values[fields.GENRES]
        elif update.gives:  # the file has genres that the database does not know
            values[fields.GENRES] = self._new_genres(_genres(old), before, update.genre)
        return values

    def correct(self, model: Item | Album, genres: list[str], *, write: bool) -> None:
        """Set genres that the user gives, which are not the plugin's to change or to take back.

        Raises JournalError, UnreadableFileError or OSError, and then nothing is changed.
        """
        synced = isinstance(model, Item) and is_synced(model)
        model.genres = genres
        if write and isinstance(model, Item):
            file = TagFile(model.filepath)
            file.set({fields.GENRES: genres})
            self._save(file, model, synced, journal=False)
        else:
            fields.store(model)

    def reapply(self, update: Update) -> None:
        """Set the fields again that were lost as a plugin read back a file without their tags."""
        own = fields.own_values(update.model)
        lost = {
            name: value
            for name, value in update.values.items()
            if name in NAMES and not same(own.get(name), value) and _is_back(name, own, update)
        }
        if lost:
            read = update.model.mtime
            fields.set_values(update.model, own | lost)
            update.model.mtime = read  # or `beet update` would read the file, and lose them again
            fields.store(update.model)

    def settle(self, update: Update) -> None:
        """Tell beets that the file has nothing to be read, lest `beet update` undo what is new."""
        if update.synced:
            item = update.model
            with suppress(OSError):  # it is gone: nothing that could be read either
                item.mtime = item.current_mtime()
                item.store()

    def is_one(self, album: Album) -> bool:
        """Tell whether all tracks of an album get its genre."""
        return self.settings.scope == "album" and (self.settings.compilations or not album.comp)

    @property
    def _names(self) -> dict[str, str]:
        """The model's genres by their spelling in tags."""
        return {self._spelled(genre): genre for genre in self.classifier.genres}

    def _spelled(self, genre: str) -> str:
        # The user's own genres are spelled as the user spells them in any case.
        return genre if self.classifier.is_custom else self.settings.spelling.format(genre)

    def _of_album(self, album: Album, tracks: Sequence[Prediction]) -> tuple[Prediction, Values]:
        """Decide the genre of an album; return the fields that stay as they are as well."""
        from beetsplug.genreclf.recalled import album_prediction, has_votes, kept_fields, recalled

        if all(map(has_votes, tracks)):
            return self.classifier.predict_album(tracks), {}
        if self.is_current(album):
            return recalled(album, None, self._names), kept_fields(album)
        prediction = album_prediction(
            tracks,
            min_confidence=self.classifier.min_confidence,
            most_styles=self.settings.styles,
        )
        return prediction, {}

    def _update(
        self,
        model: Item | Album,
        prediction: Prediction,
        kept: Values,
        as_one: tuple[Prediction, Values] | None = None,
    ) -> Update:
        """Decide what changes.

        kept: fields that stay as they are. as_one: the same of the album whose genre the policy
        puts into the genres, if not the model's own.
        """
        before = self.before(model)
        confidence = prediction.confidence
        votes = (
            f"{self._spelled(voted) if voted in self.classifier.genres else voted} {count}"
            for voted, count in prediction.votes.items()
        )
        heard = self._genre(prediction, kept)
        genre = self._genre(*as_one) if as_one else heard
        values = {
            fields.GENRES: self._new_genres(model.genres, before, genre),
            fields.GENRE: heard,
            fields.CONFIDENCE: (
                None if confidence is None else round(confidence, fields.CONFIDENCE_DIGITS)
            ),
            fields.MODEL: prediction.model,
            fields.STYLES: [*map(self.settings.spelling.format, prediction.styles)] or None,
            fields.REASON: prediction.reason,
            fields.VOTES: ", ".join(votes) or None,
            fields.AGREEMENT: (
                heard and (self._agreement(before, prediction.genre or heard, heard) or None)
            ),
        }
        synced = isinstance(model, Item) and is_synced(model)
        return Update(model, genre, before, fields.own_values(model), values | kept, synced)

    def _genre(self, prediction: Prediction, kept: Values) -> str | None:
        """Return the genre of a prediction as it is spelled in tags."""
        if kept:
            return kept[fields.GENRE] or None
        return self._spelled(prediction.genre) if prediction.genre else None

    def _new_genres(
        self, existing: Sequence[str], before: Sequence[str], genre: str | None
    ) -> list[str]:
        policy, placeholders = self.settings.policy, self.settings.placeholders
        return new_genres(
            existing, before, genre, policy, placeholders=placeholders, own=self._own_genres
        )

    def _agreement(self, before: Iterable[str], *heard: str) -> Agreement:
        named = [name for name in before if not is_placeholder(name, self.settings.placeholders)]
        return agreement(named, *heard, own=self._own_genres)

    def _save(
        self, file: TagFile, item: Item, synced: bool, *, journal: bool = True
    ) -> tuple[Values, Values]:
        """Save the tags that were set on a file, store its item; return what changed."""

        def record(old: Values, new: Values) -> None:
            if journal:
                record_file(self._journal, self._run, item, old, new)

        with self.pool.cache.preserve_digest(item.filepath):
            changes = self._writer.save(file, item, self._redo_log, record)
            try:
                if any(changes):
                    self._writer.saved(item, synced=synced)
                elif synced:
                    item.mtime = item.current_mtime()
            finally:  # listeners may have changed the item, also where one of them failed
                item.store()
        return changes

    def _decided(self, pending: Future[Analysis]) -> Prediction:
        return self.classifier.predict(pending.result())

    def _set(self, model: Item | Album, values: Mapping[str, Any], *, writes: bool = False) -> None:
        old = fields.own_values(model)
        # Of now: while an import heard the track, another command may have given it one.
        fresh = fields.own_values(fields.fresh(model) or model)
        digest = self.pool.cache.digest_of(model.filepath) if isinstance(model, Item) else None
        history = fresh.get(fields.HISTORY) or find_journal_id(self._journal, model, digest)
        history = history or secrets.token_hex(8)
        new = {**values, fields.HISTORY: history}
        before, after = diff(old, new)
        # Tags are expected before anything changes, or who is killed leaves the file behind.
        if before or after:
            self._journal.record(
                self._run, history, "database", name_in_journal(model), before, after,
                digest=digest, write_pending=writes,
            )  # fmt: skip
        elif writes:
            self._journal.mark_write_pending(history)
        # beets leaves out fields without a value where it adds a track again.
        if before or after or fresh.keys() != new.keys():
            fields.set_values(model, new)
            fields.store(model)


def _attempt(track: Item, action: Callable[[], T], report: Report) -> T | None:
    """Do what may fail for a track; then say so, and return nothing."""
    from genremodel import AudioError

    try:
        return action()
    except AudioError as exc:
        report(f"{displayable_path(track.path)}: {exc}")
    except Exception as exc:  # whatever it is, the other tracks are to be heard
        report(f"{displayable_path(track.path)}: {type(exc).__name__}: {exc}")
    return None


def changes_in(journal: Journal, model: Item | Album, place: Place) -> list[Change]:
    """Return the changes of a track or an album in the database or in its file, newest first."""
    history = fields.own_values(model).get(fields.HISTORY)
    changes = journal.changes(history) if history else []
    return [change for change in changes if change.place == place]


def is_synced(item: Item) -> bool:
    """Tell whether the database has read the file since it was last changed."""
    try:
        return item.current_mtime() <= item.mtime
    except OSError:
        return False


def _genres(tags: Mapping[str, Any]) -> list[str]:
    return [*tags[fields.GENRES]["text"]] if fields.GENRES in tags else []


def record_write(
    journal: Journal, item: Item, tags: Mapping[str, Any], imported: Update | None
) -> None:
    """Record what beets is about to write into a file of what the plugin has decided.

    tags: values of media fields. Those that differ from what the plugin decided are the user's.
    imported: the update of a track that is being imported. Another plugin may have emptied its file
    before this write; what the file had is known from the update.

    Raises JournalError, mediafile.UnreadableFileError or OSError.
    """
    decided, written = (_newest(changes_in(journal, item, place)) for place in ("database", "file"))
    ours = {
        name: tags[name]
        for name in NAMES
        if name in tags and name in decided and same(tags[name], decided[name])
    }
    if not ours:
        return
    file = TagFile(item.filepath)
    old = file.read()
    file.set(ours)
    before, after = (
        {name: tag for name, tag in changed.items() if name in ours}
        for changed in file.changes(id3v23=config["id3v23"].get(bool), by_beets=True)
    )
    lost = imported.old if imported else {}
    for name in after.keys() - old.keys():
        if not is_absent(had := written.get(name)):
            before[name] = had  # emptied after it was written, and now perhaps joined by slashes
        elif not is_absent(value := lost.get(name)):
            before[name] = _as_tag(value)
    # A tag that was emptied after the plugin wrote it is only put back: the journal has it already.
    known = {name for name in after if name not in old and same(written.get(name), after[name])}
    before, after = (
        {name: value for name, value in values.items() if name not in known}
        for values in (before, after)
    )
    run = next(change.run for change in changes_in(journal, item, "database"))
    record_file(journal, run, item, before, after)


def record_file(journal: Journal, run: int, item: Item, old: Values, new: Values) -> None:
    """Record what is about to change in a file, if anything is."""
    if old or new:
        path = displayable_path(item.path)
        journal.record(run, item[fields.HISTORY], "file", path, old, new)


def _newest(changes: Iterable[Change]) -> Values:
    """Return the values that changes made, each by the newest one. changes: newest first."""
    newest: Values = {}
    for change in changes:
        for name in change.old.keys() | change.new.keys():
            newest.setdefault(name, change.new.get(name))
    return newest


def _as_tag(value: Any) -> Tag:
    """Return the value of a field as a tag that no file has had yet, see `TagFile.restore`."""
    texts = value if isinstance(value, list) else [value]
    digits = fields.CONFIDENCE_DIGITS
    text = [f"{part:.{digits}f}" if isinstance(part, float) else str(part) for part in texts]
    return {"text": text, "key": ""}


def _is_back(name: str, own: Mapping[str, Any], update: Update) -> bool:
    """Return whether a field is what a file without the tags of an update says of it."""
    value = own.get(name)
    if name != fields.GENRES:
        return is_absent(value)
    if same(update.values[name], update.old.get(name)):
        return False  # they are not the plugin's
    if is_absent(value):
        return is_absent(own.get(fields.MODEL))  # otherwise, another plugin has emptied them
    return same(value, update.before)
