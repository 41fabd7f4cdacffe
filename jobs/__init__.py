"""The driver side of claimlens: one module a job, and what the jobs stand on."""
