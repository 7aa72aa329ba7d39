"""Labelled recordings as files."""
