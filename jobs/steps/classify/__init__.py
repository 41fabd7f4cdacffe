"""What a classification is made of."""
