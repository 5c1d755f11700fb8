from __future__ import annotations

import numpy as np
import scipy.special
from hypothesis import given
from hypothesis import strategies as st

from genremodel.models._special import expit, logit, softmax

SCORES = st.lists(st.floats(-50, 50), min_size=2, max_size=5)


@given(st.floats(0, 1))
def test_logit(probability: float) -> None:
    np.testing.assert_allclose(logit(probability), scipy.special.logit(probability), atol=1e-12)


@given(st.floats(-700, 700))
def test_expit(odds: float) -> None:
    np.testing.assert_allclose(expit(odds), scipy.special.expit(odds), atol=1e-12)


@given(SCORES)
def test_softmax(scores: list[float]) -> None:
    rows = np.array([scores, scores])
    np.testing.assert_allclose(softmax(rows), scipy.special.softmax(rows, axis=1), atol=1e-12)
