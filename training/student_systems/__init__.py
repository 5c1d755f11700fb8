"""Five student systems, each with its published hyperparameters, to compare the model with.

Every one is a `Songwise`: a scikit-learn-style estimator that is given the segments of songs. One
module a system; `registry` lists them all. PyTorch is imported where a network is fitted, so that
all else works without it.
"""
