"""The executor side of claimlens: pixels, models and scores. Never imports jobs, mlflow, delta or a session."""
