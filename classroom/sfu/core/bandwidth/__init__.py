"""How much a path carries, measured at the sender from transport-wide feedback. ``estimator`` is the entry."""
