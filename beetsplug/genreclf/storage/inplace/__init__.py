"""Change the tags of a file in place, such that an interrupted change can be finished."""
