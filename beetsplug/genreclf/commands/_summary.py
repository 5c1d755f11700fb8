"""The counts that `beet genreclf` prints when it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from beets import ui

from beetsplug.genreclf.messages import count


class Summary:
    """Counts what becomes of tracks, albums and files.

    pretend: they are not changed. reviewing: the user is asked about tracks without genres.
    counts: of tracks by outcome, of "albums" and of "files". skipped: tracks that the option `skip`
    matches, which count as "skipped" too. is_complete: the user has not quit.
    """

    def __init__(self, *, pretend: bool, reviewing: bool) -> None:
        self.counts = Counter[str]()
        self.skipped = 0
        self.is_complete = False
        self._changes = Counter[tuple[str, str]]()
        self._pretend = pretend
        self._reviewing = reviewing

    def add_change(self, old: Sequence[str], new: Sequence[str]) -> None:
        """Count a change of the genres of a track, which is listed at the end."""
        self._changes["; ".join(old) or "(none)", "; ".join(new) or "(none)"] += 1

    def print_changes(self) -> None:
        """Print the changes of genres with the number of tracks, the most common first."""
        for (old, new), tracks in self._changes.most_common():
            ui.print_(f"{tracks:>6}  {old} -> {new}")

    def text(self, total: int) -> str:
        """Return the counts in one line. total: number of tracks that the query matches."""
        if self.is_complete and self.counts.total() == self.skipped:
            return self._nothing_to_do(total)
        return ", ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        counts, pretend = self.counts, self._pretend
        yield f"{count(counts['updated'], 'track')} {'to update' if pretend else 'updated'}"
        yield from (f"{counts[name]} {name}" for name in ("unchanged", "abstained", "failed"))
        optional = ("kept", "edited", "skipped")
        yield from (f"{counts[name]} {name}" for name in optional if counts[name])
        if 0 < counts["albums"] == counts.total():  # no track was changed
            yield f"{count(counts['albums'], 'album')} {'to update' if pretend else 'updated'}"
        if counts["files"] or not pretend:
            yield f"{count(counts['files'], 'file')} {'to write' if pretend else 'written'}"

    def _nothing_to_do(self, total: int) -> str:
        if self._reviewing:
            suffix = ", or are skipped" if self.skipped else ""
            return f"nothing to review: all matching tracks have genres or a decision{suffix}"
        suffix = f", {self.skipped} skipped" if self.skipped else ""
        return (
            f"nothing to do: {count(total - self.skipped, 'matching track')} already classified"
            f"{suffix}; use -f to classify again"
        )
