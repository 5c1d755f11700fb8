"""Measure the bundled model on artists held out from training."""
