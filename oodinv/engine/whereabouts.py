"""Which sample is to blame, should the process die now."""

import time
from collections.abc import Callable, Sequence

_PULSE_S = 1.0


class Whereabouts:
    """Tells whoever watches the worker where it is.

    With care, one sample is worked on at a time, and it is told. Otherwise several are under way at each moment: about
    once a second it is told that the work goes on, and no more.
    """

    def __init__(self, on_sample: Callable[[str | None], object], *, careful: bool):
        """At none; nothing is told yet.

        Args:
            on_sample: Called with a sample's id, or with None when no single one is to blame.
            careful: One sample is finished before the next is begun.
        """
        self._tell, self._careful, self._last, self._told_at = on_sample, careful, "", 0.0

    def at(self, sample_id: str) -> None:
        """A sample is being worked on; told once, however often it is said."""
        if not self._careful:
            self._pulse()
        elif sample_id != self._last:
            self._tell(sample_id)
            self._last = sample_id

    def among(self, sample_ids: Sequence[str]) -> None:
        """Faces of these samples go through the model together."""
        if self._careful and len(sample_ids) == 1:
            self.at(sample_ids[0])
        elif self._careful:
            self.nowhere()
        else:
            self._pulse()

    def nowhere(self) -> None:
        """Nothing that goes wrong from here on is a single sample's fault."""
        self._tell(None)
        self._last, self._told_at = "", time.monotonic()

    def _pulse(self) -> None:
        if time.monotonic() - self._told_at >= _PULSE_S:
            self.nowhere()
