"""What each job is made of, one folder a job. No job reads the steps of another."""
