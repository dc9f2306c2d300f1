"""What a user can put right."""


class EvaluationError(ValueError):
    """An evaluation cannot be done as asked; the message says what was expected, what came and what to do."""
