"""Genre-labelled music, one module a dataset, all behind one function: `load(folder)`.

A dataset is a list of `Track`s. Genre names are those of the model ("hip hop"); the modules map
the folder names of their datasets.
"""

from training.datasets.track import DataError, Track, genre_name

__all__ = ["DataError", "Track", "genre_name"]
