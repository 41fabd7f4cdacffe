"""Vectors to scores, labels and a decision: zero-shot heads built from a taxonomy's prompts."""
