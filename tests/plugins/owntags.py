"""A beets plugin for tests: an offline metadata source that proposes the tags of the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from beets.autotag import AlbumInfo, TrackInfo
from beets.library import Item
from beets.metadata_plugins import MetadataSourcePlugin


class OwnTagsPlugin(MetadataSourcePlugin):
    """Proposes one album, so like the files that `beet import --quiet` applies it."""

    def candidates(
        self, items: Sequence[Item], artist: str, album: str, va_likely: bool
    ) -> Iterable[AlbumInfo]:
        """Return an album of the given tracks."""
        tracks = [
            TrackInfo(
                title=item.title,
                track_id=f"own-track-{item.track}",
                artist=item.artist,
                length=item.length,
                index=item.track,
                data_source=self.data_source,
            )
            for item in items
        ]
        yield AlbumInfo(
            tracks,
            album=album,
            album_id="own-album",
            artist=artist,
            va=va_likely,
            data_source=self.data_source,
        )

    def item_candidates(self, item: Item, artist: str, title: str) -> Iterable[TrackInfo]:
        """Return nothing: singletons are not looked up."""
        return ()

    def album_for_id(self, album_id: str) -> AlbumInfo | None:
        """Return nothing: albums are found by their tracks alone."""
        return None

    def track_for_id(self, track_id: str) -> TrackInfo | None:
        """Return nothing, see `album_for_id`."""
        return None
