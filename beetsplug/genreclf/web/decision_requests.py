"""Read the decisions that the page sends."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

from beetsplug.genreclf import fields
from beetsplug.genreclf.decisions import Decision, DecisionError, valid_labels
from beetsplug.genreclf.sources import why_not_reviewed
from beetsplug.genreclf.web.errors import Invalid

AFTER_ALL = 1 << 62  # greater than all ids
_MAX_DECISIONS = 500  # of one request
_MAX_LABELS = 20
_MAX_LABEL_LENGTH = 100  # characters


class DecisionRequest(NamedTuple):
    """A decision as the page sends it.

    version: of the track that the user has seen. field: `genres`, or another that a model predicts.
    """

    track: int
    version: str
    decision: Decision
    field: str
    labels: tuple[str, ...]


def read_decisions(decisions: object) -> list[DecisionRequest]:
    """Return the decisions of a request. Raises Invalid."""
    if not isinstance(decisions, list) or not 1 <= len(decisions) <= _MAX_DECISIONS:
        raise Invalid(f"decisions must be a list of 1 to {_MAX_DECISIONS}")
    return [*map(_request, decisions)]


def _request(values: object) -> DecisionRequest:
    if not isinstance(values, dict):
        raise Invalid("a decision must be an object")
    track, seen = values.get("track"), values.get("version")
    decision: Any = values.get("decision")
    field = values.get("field", fields.GENRES)
    labels = values.get("labels") or []
    labels = [labels] if isinstance(labels, str) else labels
    if type(track) is not int or not 0 < track < AFTER_ALL or not isinstance(seen, str):
        raise Invalid("a decision must have a track and its version")
    if decision not in get_args(Decision):
        raise Invalid(f"unknown decision: {decision!r:.40}")
    if not isinstance(field, str) or (field != fields.GENRES and why_not_reviewed(field)):
        raise Invalid(f"cannot decide on the field {field!r:.40}")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise Invalid("labels must be a list of texts")
    try:
        names = valid_labels(labels, field) if decision == "correct" else []
    except DecisionError as exc:
        raise Invalid(str(exc)) from exc
    if len(names) > _MAX_LABELS or any(len(name) > _MAX_LABEL_LENGTH for name in names):
        raise Invalid(f"at most {_MAX_LABELS} labels of {_MAX_LABEL_LENGTH} characters each")
    return DecisionRequest(track, seen, decision, field, tuple(names))
