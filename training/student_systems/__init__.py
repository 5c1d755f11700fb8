"""Five student systems, each reimplemented with its published hyperparameters.

Each model is a `SongClassifier`: a scikit-learn estimator of songs, given as segments. There is one
module per system, and `registry` lists all models. PyTorch is imported only where a network is
fitted, so everything else works without it.
"""
