"""The severity scale, once for everybody: its order, and what a photo without damage is called."""

SEVERITIES = ("minor", "moderate", "severe")
"""Mildest first. A facet called `severity` has exactly these classes."""
NOTHING = "none"
"""No damage at all: what settings.assess.severity_map gives to reported words that mean so."""
LEVELS = (NOTHING, "damaged", *SEVERITIES)
"""What a photo can come to, mildest first. `damaged` is damage whose severity the taxonomy does not tell."""
