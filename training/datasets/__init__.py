"""Genre-labelled music, one module a dataset, all behind one function: `load(folder)`.

It returns a list of `Track`s; of `gtzan_taggrams` and `gtzan_mel`, which hold no audio, `Rows` and
`Songs`. Genre names are those of the model ("hip hop"): the modules map the folder names of their
datasets.
"""
