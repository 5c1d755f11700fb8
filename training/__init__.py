"""Rebuilds and evaluates the model bundled with `genremodel`; run from a checkout."""

import os

# The fits are small: several BLAS threads would triple the CPU time without a gain.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
