"""From a question to hits, for whoever asks: the command line, notebooks, later a page."""
