"""What the studio cannot do, for the person who asked."""


class PortraitsError(ValueError):
    """A request for portraits is out of range: what was expected, what came, what to do."""
