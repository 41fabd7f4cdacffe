"""What an assessment of claims is made of."""
