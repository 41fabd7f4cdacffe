"""Photo bytes to clean pixels, or a reason."""
