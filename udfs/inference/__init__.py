"""Rows through a resident model: portions, isolation of a bad row, engines, and the process that holds the models."""
