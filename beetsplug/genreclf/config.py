"""The plugin's options, checked once, before the first track."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from beets import ui
from beets.dbcore import AndQuery, InvalidQueryError, OrQuery
from beets.dbcore.query import TrueQuery
from beets.library import Item, parse_query_string
from confuse import ConfigValueError, MappingValues
from platformdirs import user_cache_path

from beetsplug.genreclf.genres.labels import split
from beetsplug.genreclf.genres.policy import POLICIES, Policy

if TYPE_CHECKING:
    from beets.dbcore import Query

    from genremodel.cluster import Cluster

Scope: TypeAlias = Literal["auto", "track", "album", "artist"]
Aggregation: TypeAlias = Literal["majority", "mean"]
BackendName: TypeAlias = Literal["auto", "onnx", "numpy", "knn"]
Write: TypeAlias = 'bool | Literal["auto"]'

_LONGEST_TIMEOUT = 1e9  # s; what is longer, or infinite, is a mistake

DEFAULTS: dict[str, Any] = {
    "auto": True,
    "skip": [],
    "write": "auto",
    "model": "auto",
    "other_models": [],
    "policy": "fill",
    "count": 1,
    "min_confidence": None,  # the threshold of the model
    "scope": "auto",
    "compilations": False,
    "names": {},
    "exclude": [],
    "placeholders": [],
    "max_styles": 3,
    "windows": 10,
    "aggregation": "majority",
    "backend": "auto",
    "cache": None,  # in the user's cache folder
    "threads": None,  # the number of processors
    "cluster": {},
    "timeout": 60,
}


@dataclass(frozen=True)
class Config:
    """The options, see the documentation of each."""

    auto: bool
    write: Write
    model: str
    other_models: tuple[str, ...]
    policy: Policy
    count: int
    min_confidence: float | None
    scope: Scope
    compilations: bool
    skip: tuple[Query, ...]
    names: Mapping[str, str]  # by genre in lower case
    exclude: tuple[str, ...]
    placeholders: frozenset[str]
    max_styles: int
    windows: int | Literal["auto"]
    aggregation: Aggregation
    backend: BackendName
    cache: Path
    threads: int | None
    cluster: Cluster | None
    timeout: float

    @classmethod
    def read(cls, config: Any) -> Config:
        """Return the options of a confuse view. Raises confuse.ConfigError, naming the option."""
        for option in sorted(config.keys() - DEFAULTS.keys()):
            raise ConfigValueError(f"{config[option].name}: unknown option")
        threshold = config["min_confidence"].get()
        if threshold is not None and not (_is_number(threshold) and 0 <= threshold <= 1):
            raise _error(config["min_confidence"], "a number from 0 to 1", threshold)
        timeout = config["timeout"].get()
        if not (_is_number(timeout) and 0 < timeout <= _LONGEST_TIMEOUT):
            raise _error(config["timeout"], "a number of seconds", timeout)
        write = config["write"].get()
        if write not in ("auto", True, False):
            raise _error(config["write"], "auto, yes or no, without quotes", write)
        return cls(
            auto=config["auto"].get(bool),
            write=write,
            model="auto" if config["model"].get() is None else config["model"].as_str(),
            other_models=tuple(dict.fromkeys(_texts(config["other_models"]))),
            policy=config["policy"].as_choice(POLICIES),
            count=_count(config["count"], 1, 2),
            min_confidence=threshold,
            scope=config["scope"].as_choice(get_args(Scope)),
            compilations=config["compilations"].get(bool),
            skip=tuple(_queries(config["skip"])),
            names=_names(config["names"]),
            exclude=tuple(map(str.lower, _texts(config["exclude"]))),
            placeholders=frozenset(_texts(config["placeholders"])),
            max_styles=_count(config["max_styles"], 0, 10),
            windows=_windows(config["windows"]),
            aggregation=config["aggregation"].as_choice(("majority", "mean")),
            backend=config["backend"].as_choice(get_args(BackendName)),
            cache=cache_file(config),
            threads=None if config["threads"].get() is None else _count(config["threads"]),
            cluster=_cluster(config["cluster"]),
            timeout=timeout,
        )

    def skips(self, item: Item) -> bool:
        """Return whether a track is left out unless the user forces its classification."""
        return any(query.match(item) for query in self.skip)

    def writes(self) -> bool:
        """Return whether tags are written to files unless the command line decides."""
        return should_write(self.write)

    def always_writes(self) -> bool:
        """Return whether tags are written whether or not beets itself writes."""
        return self.write != "auto" and self.writes()


def cache_file(config: Any) -> Path:
    """Return the analysis cache. config: may be invalid in other options.

    Raises confuse.ConfigError.
    """
    if config["cache"].get() is None:
        return default_cache_file()
    path = Path(config["cache"].as_filename())
    if path.is_dir():
        raise _error(config["cache"], "a file", config["cache"].get())
    return path


def default_cache_file() -> Path:
    """Return the analysis cache that all libraries of a user share."""
    return user_cache_path("beets", appauthor=False) / "genreclf-cache.db"


def is_auto(config: Any) -> bool:
    """Return whether imports classify tracks. config: not necessarily valid."""
    return config["auto"].get() is not False


def should_write(choice: Write) -> bool:
    """Return whether tags are written by the option `write`, or by that of beets."""
    return ui.should_write() if choice == "auto" else bool(choice)


def _names(view: Any) -> dict[str, str]:
    if view.get() is None:  # left empty
        return {}
    from genremodel.display import has_control_characters  # slow to import

    names = {str(genre).lower(): name for genre, name in view.get(MappingValues(str)).items()}
    for genre, name in names.items():
        if split(name) != [name.strip()] or has_control_characters(name):
            raise _error(view[genre], "a name", name)
    return {genre: name.strip() for genre, name in names.items()}


def _cluster(view: Any) -> Cluster | None:
    options = view.get()
    if options is None or options == {}:
        return None
    from genremodel.cluster import Certificates, Cluster  # slow to import
    from genremodel.errors import ClusterError

    names = [field.name for field in fields(Cluster)]
    if not isinstance(options, dict):
        raise _error(view, f"a mapping of {', '.join(names)}", options)
    for name in options.keys() - {*names}:
        raise ConfigValueError(f"{view[name].name}: unknown option")
    paths, files = (view[name] for name in ("paths", "certificates"))
    folders = {} if options.get("paths") is None else paths.get(MappingValues(str))
    certificates = None
    if options.get("certificates") is not None:
        certificates = Certificates(
            *(Path(files[field.name].as_filename()) for field in fields(Certificates))
        )
    try:
        return Cluster(
            view["address"].as_str(),
            {str(Path(local).expanduser()): remote for local, remote in folders.items()},
            certificates,
        )
    except ClusterError as exc:
        raise ConfigValueError(f"{view.name}: {exc}") from exc


def _texts(view: Any) -> list[str]:
    value = view.get()
    if value is None:  # left empty
        return []
    if isinstance(value, dict):  # confuse takes its keys
        raise ConfigValueError(f"{view.name}: must be a list of strings")
    return [*view.as_str_seq(split=False)]


def _queries(view: Any) -> Iterator[Query]:
    for text in _texts(view):
        try:
            query, _ = parse_query_string(text, Item)
        except ValueError as exc:
            problem = f"{exc}" if isinstance(exc, InvalidQueryError) else f"'{text}': {exc}"
            raise ConfigValueError(f"{view.name}: {' '.join(problem.split())}") from exc
        if _matches_all(query):  # "", or "artist+", which only sorts
            raise ConfigValueError(f"{view.name}: {text!r} matches every track")
        yield query


def _matches_all(query: Query) -> bool:
    """Return whether a query has no condition, or one of several alternatives has none."""
    if isinstance(query, OrQuery):
        return any(map(_matches_all, query.subqueries))
    if isinstance(query, AndQuery):
        return all(map(_matches_all, query.subqueries))
    return isinstance(query, TrueQuery)


def _windows(view: Any) -> int | Literal["auto"]:
    value = view.get()
    if value == "auto":
        return "auto"
    if not (isinstance(value, int) and _is_number(value) and value >= 1):
        raise _error(view, "auto, or a whole number of 1 or more", value)
    return value


def _count(view: Any, lowest: int = 1, highest: int | None = None) -> int:
    value = view.get()
    if not (isinstance(value, int) and _is_number(value) and value >= lowest) or (
        highest is not None and value > highest
    ):
        limits = f"of {lowest} or more" if highest is None else f"from {lowest} to {highest}"
        raise _error(view, f"a whole number {limits}", value)
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _error(view: Any, expected: str, value: object) -> ConfigValueError:
    return ConfigValueError(f"{view.name}: must be {expected}, not {value!r}")
