"""What there is to find: lessons, their recordings, and every word in them."""
