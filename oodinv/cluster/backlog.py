"""Jobs that wait for an actor, by role; those that nobody can begin yet are not read."""

from collections import defaultdict, deque
from collections.abc import Iterable
from operator import length_hint

from oodinv.cluster.job import Job


class Backlog:
    """Reads jobs as actors ask for them."""

    def __init__(self, jobs: Iterable[Job]):
        """Nothing is read.

        Args:
            jobs: Read lazily; how many there are is asked of `__length_hint__`.
        """
        self._unread, self._exhausted = iter(jobs), False
        self._waiting: defaultdict[str, deque[Job]] = defaultdict(deque)

    @property
    def is_empty(self) -> bool:
        """No job waits, and none is left to read; known only after somebody was sent away with none."""
        return self._exhausted and not any(self._waiting.values())

    def put(self, job: Job) -> None:
        """One that is to be done before any that was not read yet: again, or in the wake of another."""
        self._waiting[job.role].append(job)

    def take(self, role: str, most: int) -> Job | None:
        """The next job of a role; None when there is none now.

        Args:
            role: Whose.
            most: Jobs of other roles that may wait: beyond them nothing more is read. Who is far ahead of the others
                rests, as they could not follow anyway.
        """
        if self._waiting[role]:
            return self._waiting[role].popleft()
        while not self._exhausted and self._others(role) < most:
            job = next(self._unread, None)
            if job is None:
                self._exhausted = True
            elif job.role == role:
                return job
            else:
                self.put(job)
        return None

    def demand(self, role: str) -> int:
        """Jobs that wait for a role or will come to it, as far as is known."""
        unread = 0 if self._exhausted else max(1, length_hint(self._unread))
        return unread + sum(comes_to(job, role) for waiting in self._waiting.values() for job in waiting)

    def _others(self, role: str) -> int:
        return sum(len(waiting) for name, waiting in self._waiting.items() if name != role)


def comes_to(job: Job, role: str) -> bool:
    """Whether a role does the job or something that follows it."""
    following: Job | None = job
    while following is not None:
        if following.role == role:
            return True
        following = following.then()
    return False
