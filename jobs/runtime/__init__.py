"""What every job stands on: settings, the Spark session, the command line, the report and tracking."""
