"""Keeping the index in step: its state, its lease, what changed, and the proof."""
