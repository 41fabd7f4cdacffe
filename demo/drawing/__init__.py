"""Draws vehicles and damage, so that the demo has photos of its own."""
