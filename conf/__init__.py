"""What ships with claimlens as data: settings per place, taxonomies, prompts and the demo model."""
