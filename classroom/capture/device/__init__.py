"""The agent as a paired device: it goes by the agenda of its classroom, and nobody has to touch it."""
