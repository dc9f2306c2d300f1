"""Which sample is to blame, should the process die now."""

from collections.abc import Callable

from oodinv.engine.group import Group


class Whereabouts:
    """Tells whoever watches the worker at which sample it is."""

    def __init__(self, on_sample: Callable[[str | None], object]):
        """At none; nothing is told yet.

        Args:
            on_sample: Called with a sample's id, or with None when no single one is to blame.
        """
        self._tell, self._last = on_sample, ""

    def at(self, sample_id: str) -> None:
        """A sample is being worked on; told once, however often it is said."""
        if sample_id != self._last:
            self._tell(sample_id)
            self._last = sample_id

    def among(self, group: Group) -> None:
        """The group's faces go through the model. Of several samples each call is told: whoever waits sees it go on."""
        if len(group.photos) == 1:
            self.at(group.photos[0].sample.sample_id)
        else:
            self._tell(None)
            self._last = ""
