"""Prefect flows and the command line: the sentences."""
