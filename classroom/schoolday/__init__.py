"""The school day: which lesson a room has now and next, and how its devices hear of it."""
