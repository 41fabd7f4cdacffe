"""Models that transformers loads: what they are, their pixels, their towers."""
