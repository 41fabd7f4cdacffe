"""What a job is given and what it gives: context, execution, report, progress, tracking."""
