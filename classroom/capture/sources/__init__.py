"""Where sound and picture come from. A source runs in a thread of its own and feeds its tracks."""
