"""Measuring bundles on held-out datasets: one call, one table, with the protocol beside it.

`evaluate` streams a dataset through each bundle and returns an `Evaluation`; `write_evaluation` makes files of it.
"""
