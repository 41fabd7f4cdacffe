"""How long embed will take: the sample, the arithmetic, and afterwards how far off it was."""
