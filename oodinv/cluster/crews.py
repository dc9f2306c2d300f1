"""How many actors of which role a run starts."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from oodinv.cluster.crew import CrewSettings
from oodinv.cluster.job import ALL, Worker
from oodinv.cluster.session import Cluster

FACES, EDITS = "faces", "edits"
"""Roles where two kinds of actors share the work."""
_FACES_PER_EDITOR = 4
_MOST_HERE = 8


@dataclass(frozen=True, kw_only=True)
class Actors:
    """What a run asks for."""

    workers: int | None = None
    """Actors that edit, or do everything, at most; None = as many as there is room for."""
    min_workers: int | None = None
    """So many are kept even while there is less work; None = all."""
    face_workers: int | None = None
    """Actors on processors that find faces for those that edit, at most. 0 = every actor does everything. None = where
    edits are made on GPUs as many as keep those busy, elsewhere 0."""
    gpus_per_worker: float = 0.0
    """GPUs of each actor that edits; 0 computes on processors."""

    @property
    def here(self) -> int:
        """Actors that edit on a session of this machine alone."""
        return self.workers or min(_MOST_HERE, _processors_here())

    @property
    def faces_here(self) -> int:
        """Actors that find faces on a session of this machine alone."""
        if self.face_workers is not None or not self.gpus_per_worker:
            return self.face_workers or 0
        return max(1, min(_FACES_PER_EDITOR * self.here, _processors_here() - self.here))


def num_processors(actors: Actors) -> int:
    """Logical processors of a session of this machine alone: one for each actor."""
    return actors.here + actors.faces_here


def crews_for(
    actors: Actors, cluster: Cluster, make_worker: Callable[[float], Worker], *, jobs: int
) -> list[CrewSettings]:
    """One crew that does everything, or one for faces and one for edits.

    Args:
        actors: What is asked for.
        cluster: Where they are to have room.
        make_worker: Given the actor's GPUs.
        jobs: As many as there are; more actors would have nothing to do.
    """
    editors = actors.here if cluster.private else actors.workers or _room(cluster, actors.gpus_per_worker)
    editors = max(1, min(editors, jobs))
    if cluster.private or actors.face_workers is not None:
        finders = actors.faces_here
    elif actors.gpus_per_worker:
        finders = min(_FACES_PER_EDITOR * editors, int(cluster.cpus) - editors)
    else:
        finders = 0
    finders, gpus = max(0, min(finders, jobs)), actors.gpus_per_worker
    edits = CrewSettings(
        make_worker=lambda: make_worker(gpus),
        most=editors,
        least=actors.min_workers,
        role=EDITS if finders else ALL,
        num_gpus=gpus,
    )
    if not finders:
        return [edits]
    least = None if actors.min_workers is None else min(actors.min_workers, finders)
    return [CrewSettings(make_worker=lambda: make_worker(0.0), most=finders, least=least, role=FACES), edits]


def _room(cluster: Cluster, gpus_per_worker: float) -> int:
    return int(cluster.gpus / gpus_per_worker if gpus_per_worker else cluster.cpus)


def _processors_here() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
