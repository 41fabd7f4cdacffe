"""The doors: the command line, spark-submit's script, the doctor, and reports as people read them."""
