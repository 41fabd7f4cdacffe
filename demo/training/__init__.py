"""Trains and measures the model that ships in conf/models/demo."""
