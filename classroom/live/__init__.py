"""A lesson while it is held: who is in it, what is published, whether it is recorded. No media, no HTTP."""
