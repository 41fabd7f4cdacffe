"""All that Spark is handed: Arrow iterators for jobs, pandas UDFs for SQL and notebooks; each schema once."""
