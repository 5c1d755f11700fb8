"""Generate the model card, the comparison and the figures in the README."""
