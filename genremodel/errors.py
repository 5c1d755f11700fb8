"""Exceptions of the package. All are `GenreModelError`."""

from __future__ import annotations

from collections.abc import Iterable


class GenreModelError(Exception):
    """Base class of the exceptions raised by genremodel.

    Examples
    --------
    >>> from genremodel import GenreClassifier
    >>> try:
    ...     GenreClassifier("missing.json")
    ... except GenreModelError as exc:
    ...     print(exc)
    there is no model 'missing'; custom models: none
    """


class AudioError(GenreModelError):
    """The audio cannot be decoded or analyzed. The message gives the reason, without the path.

    Examples
    --------
    >>> from genremodel import GenreClassifier
    >>> GenreClassifier().predict("none.mp3")
    Traceback (most recent call last):
    genremodel.errors.AudioError: No such file or directory
    """


class AnalysisTimeout(AudioError):
    """The analysis of a file exceeded its time limit.

    Parameters
    ----------
    limit : float
        The time limit, in seconds.

    Examples
    --------
    >>> print(AnalysisTimeout(60.0))
    not analyzed within 60 s
    """

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"not analyzed within {self.limit:g} s"


class ModelError(GenreModelError):
    """A model, bundled or custom, cannot be loaded, used or saved.

    Parameters
    ----------
    message : str
        The reason.
    retrain : str, optional
        The name of the custom model, where training it again helps.
    field : str, optional
        The field that this model was trained on.

    Examples
    --------
    >>> error = ModelError("trained on other analyses", retrain="mine", field="genres")
    >>> error.retrain, error.field
    ('mine', 'genres')
    """

    def __init__(
        self, message: str, *, retrain: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.retrain = retrain
        self.field = field


class UnknownGenreError(GenreModelError, ValueError):
    """Genres were given that the model does not have, or all that it has were excluded.

    Parameters
    ----------
    unknown : iterable of str
        The genres that the model does not have. Empty where all of its genres were excluded.
    known : iterable of str
        The genres of the model.

    Examples
    --------
    >>> print(UnknownGenreError(["polka"], ["jazz", "blues"]))
    unknown genres: polka (known: blues, jazz)
    """

    def __init__(self, unknown: Iterable[str], known: Iterable[str]) -> None:
        self.unknown = tuple(unknown)
        self.known = tuple(known)
        super().__init__(self.unknown, self.known)

    def __str__(self) -> str:
        if not self.unknown:
            return "all genres of the model are excluded"
        return f"unknown genres: {', '.join(self.unknown)} (known: {', '.join(sorted(self.known))})"


class TrainingError(GenreModelError, ValueError):
    """A model cannot be trained on the given tracks. The message says what is missing.

    Examples
    --------
    >>> from genremodel.custom import train
    >>> train([])
    Traceback (most recent call last):
    genremodel.errors.TrainingError: there are fewer than two genres
    """


def as_audio_error(error: Exception) -> AudioError:
    """Return an AudioError in place of any other exception: decoders raise many kinds."""
    if isinstance(error, AudioError):
        return error
    audio_error = AudioError(f"{type(error).__name__}: {error}")
    audio_error.__cause__ = error
    return audio_error
