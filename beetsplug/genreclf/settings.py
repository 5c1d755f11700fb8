"""The plugin's configuration, checked once, before the first track."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from confuse import ConfigValueError, MappingValues

from beetsplug.genreclf.fields import GENRES
from beetsplug.genreclf.policy import POLICIES, Policy
from beetsplug.genreclf.spelling import Spelling

if TYPE_CHECKING:
    from genremodel import Classifier
    from genremodel.learned import LearnedModel, Models

Scope: TypeAlias = Literal["track", "album"]
Vote: TypeAlias = Literal["majority", "mean"]

DEFAULTS: dict[str, Any] = {
    "auto": True,
    "write": "auto",
    "model": "auto",
    "genres": "fill",
    "min_confidence": None,
    "scope": "track",
    "compilations": False,
    "title_case": False,
    "names": {},
    "ignore": [],
    "styles": 3,
    "windows": 10,
    "vote": "majority",
    "knn": False,
    "threads": None,
    "timeout": 60,
}


@dataclass(frozen=True)
class Settings:
    """How tracks are heard and what becomes of their genres; `docs/options.md` tells each."""

    model: str
    policy: Policy
    min_confidence: float | None
    scope: Scope
    compilations: bool
    spelling: Spelling
    ignore: tuple[str, ...]
    styles: int
    windows: int
    vote: Vote
    knn: bool
    threads: int | None
    timeout: float

    @classmethod
    def read(cls, config: Any) -> Settings:
        """Return the settings of a confuse view. Raises confuse.ConfigError, naming the option."""
        for option in config.keys() - DEFAULTS.keys():
            raise ConfigValueError(f"{config[option].name}: there is no such option")
        config["auto"].get(bool)  # read by the plugin itself
        threshold = config["min_confidence"].get()
        if threshold is not None and not (_is_number(threshold) and 0 <= threshold <= 1):
            raise _error(config["min_confidence"], "a number from 0 to 1", threshold)
        timeout = config["timeout"].get()
        if not (_is_number(timeout) and timeout > 0):
            raise _error(config["timeout"], "a number of seconds", timeout)
        if config["write"].get() not in ("auto", True, False):
            raise _error(config["write"], "auto, yes or no", config["write"].get())
        return cls(
            model="auto" if config["model"].get() is None else config["model"].as_str(),
            policy=config["genres"].as_choice(POLICIES),
            min_confidence=threshold,
            scope=config["scope"].as_choice(("track", "album")),
            compilations=config["compilations"].get(bool),
            spelling=Spelling(config["title_case"].get(bool), _names(config["names"])),
            ignore=_genres(config["ignore"]),
            styles=_count(config["styles"], 0, 10),
            windows=_count(config["windows"]),
            vote=config["vote"].as_choice(("majority", "mean")),
            knn=config["knn"].get(bool),
            threads=None if config["threads"].get() is None else _count(config["threads"]),
            timeout=timeout,
        )

    def learned_model(self, models: Models) -> LearnedModel | None:
        """Return the learned model in use, if it is one. Raises ModelError."""
        if self.model == "bundled" or (self.model == "auto" and self.knn):
            return None
        if self.model != "auto":
            return models.load(self.model)
        described = [models.describe(name) for name in models.names()]
        learned = [model for model in described if model.field == GENRES]
        last = max(learned, key=lambda model: model.learned, default=None)
        return models.load(last.name) if last else None

    def bundled(self) -> Settings:
        """Return them for the bundled model, without what they say of genres that it lacks."""
        from genremodel.backends import bundled_rules

        known = bundled_rules("cnn").genres
        names = {genre: name for genre, name in self.spelling.names.items() if genre in known}
        return replace(
            self,
            ignore=tuple(genre for genre in self.ignore if genre in known),
            spelling=replace(self.spelling, names=names),
        )

    def load_classifier(self, learned: LearnedModel | None) -> Classifier:
        """Load the bundled model, or a learned one on top of it.

        Raises confuse.ConfigError where an option names a genre that the model does not have,
        ModelError where the learned model cannot be used, ImportError or AssetError where no model
        can be loaded.
        """
        from genremodel import Classifier, UnknownGenreError

        option = "ignore"
        try:
            classifier = Classifier(
                windows=self.windows,
                vote=self.vote,
                min_confidence=self.min_confidence,
                ignore=self.ignore,
                styles=self.styles,
                knn=self.knn,
                learned=learned,
            )
            option = "names"
            classifier.require(self.spelling.names)
        except UnknownGenreError as exc:
            raise ConfigValueError(f"genreclf.{option}: {exc}") from exc
        return classifier


def _names(view: Any) -> dict[str, str]:
    if view.get() is None:  # left empty
        return {}
    names = {str(genre).lower(): name for genre, name in view.get(MappingValues(str)).items()}
    for genre, name in names.items():
        if not name.strip():
            raise _error(view[genre], "a name", name)
    return names


def _genres(view: Any) -> tuple[str, ...]:
    if view.get() is None:
        return ()
    return tuple(map(str.lower, view.as_str_seq(split=False)))


def _count(view: Any, lowest: int = 1, highest: int | None = None) -> int:
    value = view.get()
    if not (isinstance(value, int) and _is_number(value) and value >= lowest) or (
        highest is not None and value > highest
    ):
        upto = "" if highest is None else f" to {highest}"
        raise _error(view, f"a whole number from {lowest}{upto}", value)
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _error(view: Any, expected: str, value: object) -> ConfigValueError:
    return ConfigValueError(f"{view.name}: must be {expected}, not {value!r}")
