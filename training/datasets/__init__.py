"""Genre-labeled music: one module per dataset, each with a function `load(folder)`.

It returns a list of `Track`; `gtzan_taggrams` and `gtzan_mel`, which hold no audio, return `Rows`
and a `SongTable`. Genre names are those of the model ("hip hop"), mapped from the folder names of
the datasets.
"""
