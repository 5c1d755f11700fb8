"""Genre names: how they are split, compared, spelled and combined."""
