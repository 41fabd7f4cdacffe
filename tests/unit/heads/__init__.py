"""Tests of taxonomies and heads."""
