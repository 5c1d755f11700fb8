"""Rebuilds and evaluates the model that `genremodel` bundles; run from a checkout."""

import os

# Many small fits: threads of BLAS would wait for each other, at three times the processor time.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
