"""From windows to genre probabilities: the CNN, and KNN as its fallback."""
