"""Prefect tasks: the verbs."""
