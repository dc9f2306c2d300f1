"""Jobs that go from actors of one role to actors of another, and crews that grow and shrink."""

import json
import os
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import ray.cloudpickle

from oodinv.cluster.backlog import Backlog
from oodinv.cluster.crew import CrewSettings
from oodinv.cluster.job import Fatal
from oodinv.cluster.pool import Patience, Pool
from oodinv.cluster.session import ray_session

# Actors cannot import a test module: its classes travel by value.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


@dataclass(frozen=True)
class Step:
    """First `cut`, then `sew`; seconds for each, and names of files that each waits for."""

    shard_id: str
    role: str = "cut"
    cut_s: float = 0.0
    sew_s: float = 0.0
    cut_after: str = ""
    sew_after: str = ""
    num_samples: int = 1
    quarantine: frozenset[str] = field(default_factory=frozenset)

    def then(self):
        return replace(self, role="sew") if self.role == "cut" else None

    def without(self, sample_id):
        return replace(self, quarantine=self.quarantine | {sample_id})

    def with_care(self):
        return self


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)


class Tailor:
    """Writes down when it was at what; with `dies`, leaves its process the first time."""

    def __init__(self, folder, role, dies=False):
        self._folder, self._role, self._dies = Path(folder), role, dies

    def run(self, job, on_sample):
        on_sample(job.shard_id)
        mark = self._folder / f"{self._role}-died"
        if self._dies and not mark.exists():
            mark.touch()
            os._exit(9)
        begin = time.time()
        assert job.role == self._role
        if job.shard_id not in job.quarantine:
            (self._folder / f"{job.shard_id}-{self._role}.begun").touch()
            time.sleep(job.cut_s if self._role == "cut" else job.sew_s)
            wait_for((self._folder / (job.cut_after if self._role == "cut" else job.sew_after)).exists)
        told = {"role": self._role, "name": job.shard_id, "begin": begin, "end": time.time(), "process": os.getpid()}
        (self._folder / f"{job.shard_id}-{self._role}.json").write_text(json.dumps(told))
        return told


@pytest.fixture(scope="module")
def cluster():
    with ray_session(4):
        yield


def crews(folder, *, cutters=1, tailors=1, least=None, dies=""):
    path = str(folder)
    return [
        CrewSettings(
            make_worker=lambda: Tailor(path, "cut", dies == "cut"), most=cutters, least=least, role="cut", num_cpus=0.5
        ),
        CrewSettings(
            make_worker=lambda: Tailor(path, "sew", dies == "sew"), most=tailors, least=least, role="sew", num_cpus=0.5
        ),
    ]


def test_each_job_goes_on_as_soon_as_its_own_first_half_is_done(cluster, tmp_path):
    pool = Pool(crews(tmp_path))
    # The last half of the first crew ends only when the second crew has done three of its own.
    jobs = [*(Step(f"s{n}") for n in range(5)), Step("s5", cut_after="s2-sew.json")]
    done = {d.job.shard_id: d for d in pool.run(jobs)}
    pool.close()
    assert {name: [r["role"] for r in d.receipts] for name, d in done.items()} == {
        f"s{n}": ["cut", "sew"] for n in range(6)
    }
    assert all(d.error is None and d.attempts == 1 for d in done.values())
    last_cut = max(d.receipts[0]["end"] for d in done.values())
    assert sum(d.receipts[1]["end"] < last_cut for d in done.values()) >= 3


def test_who_is_far_ahead_rests(cluster, tmp_path):
    pool = Pool(crews(tmp_path))
    ahead = 0
    for number, _ in enumerate(pool.run([Step(f"s{n}", sew_s=0.2) for n in range(20)]), start=1):
        ahead = max(ahead, len(list(tmp_path.glob("*-cut.json"))) - number)
    pool.close()
    # Two may wait for each actor; one is being sewn, one more was cut meanwhile.
    assert 1 <= ahead <= 6


@pytest.mark.parametrize("role", ["cut", "sew"])
def test_a_death_in_either_half_repeats_only_that_half(cluster, tmp_path, role):
    pool = Pool(crews(tmp_path, dies=role))
    (done,) = pool.run([Step("s0")])
    pool.close()
    assert [receipt["role"] for receipt in done.receipts] == ["cut", "sew"]
    assert done.attempts == 2 and pool.replaced == 1


def test_a_job_whose_second_half_fails_is_given_up_with_what_it_has(cluster, tmp_path):
    def broken():
        raise OSError("no such bundle")

    both = crews(tmp_path)
    pool = Pool([both[0], replace(both[1], make_worker=broken)], Patience(max_attempts=2))
    (done,) = pool.run([Step("s0")])
    pool.close()
    assert [receipt["role"] for receipt in done.receipts] == ["cut"]
    assert "no such bundle" in done.error and done.attempts == 2


def test_a_crew_grows_with_its_work_and_shrinks_at_the_end(cluster, tmp_path):
    path = str(tmp_path)
    crew = CrewSettings(make_worker=lambda: Tailor(path, "sew"), most=4, least=1, role="sew", num_cpus=0.5)
    pool = Pool([crew])
    assert pool.size == 1
    jobs = [Step(f"s{n}", role="sew", sew_s=0.5) for n in range(8)]
    sizes, receipts = [], []
    for done in pool.run([*jobs, Step("long", role="sew", sew_s=6.0)]):
        sizes.append(pool.size)
        receipts += done.receipts
    pool.close()
    assert max(sizes) == 4 and sizes[-1] < 4
    assert len({receipt["process"] for receipt in receipts}) > 1
    assert len(receipts) == 9


def test_what_is_under_way_is_let_end_and_nothing_is_begun(cluster, tmp_path):
    pool = Pool(crews(tmp_path, tailors=2))
    # The first ends when the second has begun; the others end only while the pool is drained.
    first = Step("s0", role="sew", sew_after="s1-sew.begun")
    next(pool.run(iter([first, *(Step(f"s{n}", role="sew", sew_after="drained") for n in range(1, 9))])))
    threading.Timer(0.5, (tmp_path / "drained").touch).start()
    assert pool.drain(20.0) in (1, 2)
    made = len(list(tmp_path.glob("*-sew.json")))
    time.sleep(1.5)
    assert len(list(tmp_path.glob("*-sew.json"))) == made <= 3
    pool.close()


def test_what_takes_longer_than_the_grace_is_not_waited_for(cluster, tmp_path):
    pool = Pool(crews(tmp_path, tailors=2))
    next(pool.run([Step("short", role="sew", sew_s=2.0), Step("long", role="sew", sew_s=60.0)]))
    begin = time.monotonic()
    assert pool.drain(0.5) == 0 and time.monotonic() - begin < 10
    pool.close()


def test_no_room_is_told_only_after_a_while_without_any_actor(cluster, tmp_path):
    both = crews(tmp_path)
    pool = Pool([both[0], replace(both[1], num_gpus=3.0)], Patience(start_deadline_s=2.0))
    wait_for(lambda: pool.num_placed == 1)
    with pytest.raises(Fatal, match=r"no room for an actor of 0\.5 CPUs and 0 GPUs or 0\.5 CPUs and 3 GPUs within 2 s"):
        list(pool.run([Step("s0", cut_s=3.0)]))
    pool.close()
    assert (tmp_path / "s0-cut.json").exists()


def test_a_backlog_reads_no_further_than_others_can_follow():
    read = []

    def jobs():
        for number in range(10):
            read.append(number)
            yield Step(f"s{number}", role="sew")

    backlog = Backlog(jobs())
    assert backlog.take("cut", most=3) is None and read == [0, 1, 2]
    assert backlog.take("cut", most=3) is None and read == [0, 1, 2]
    assert backlog.take("sew", most=3).shard_id == "s0" and read == [0, 1, 2]
    assert not backlog.is_empty and backlog.demand("cut") == 1  # whatever is left to read
    while backlog.take("sew", most=3):
        pass
    assert backlog.is_empty and backlog.demand("sew") == 0


def test_a_backlog_counts_those_that_will_come():
    backlog = Backlog([Step("a"), Step("b", role="sew"), Step("c")])
    assert backlog.demand("sew") == backlog.demand("cut") == 3
    first = backlog.take("cut", most=1)
    backlog.put(first.then())
    assert backlog.demand("sew") == 3
    assert [backlog.take("sew", most=1).shard_id for _ in range(2)] == ["a", "b"]
