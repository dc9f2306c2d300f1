"""What is wrong with a dataset, for the person who can mend it."""


class DatasetError(ValueError):
    """A folder cannot be used as a dataset: what was expected, what came, what to do."""
