"""Two drivers at once on one bucket, their actors killed and frozen, a photo that kills, and one that comes late."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fault_driver import Mortal, plan, publish, settings_for
from processes import descendants, living, wait_for
from s3_servers import give_credentials, moto_server

from benchmarks.stub import stub_photo
from oodinv.engine.making import Making
from oodinv.ledger import fsck, list_commits, read_snapshot, run_differences
from oodinv.store import Access, open_store

ROOT = Path(__file__).parents[2]
PHOTOS, SHARD = 60, 5


def photo(number):
    """The 7th has a white corner."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(stub_photo(number))) as image:
        if number == 7:
            image.paste((255, 255, 255), (0, 0, 16, 16))
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
    return buffer.getvalue()


def start(source, target, server):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    environment = os.environ | server.environment() | {"PYTHONPATH": paths, "ENDPOINT": server.endpoint_url}
    command = [sys.executable, "-m", "fault_driver", source, target, str(SHARD)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT)


def busy_actor(driver):
    """A pid."""

    def look():
        below = descendants(driver.pid)
        return [each.pid for each in living() if each.pid in below and each.title.startswith("ray::_Actor.run")]

    return wait_for(look)[0]


@pytest.mark.slow  # two drivers with Ray of their own, about a minute
def test_whatever_happens_to_them_every_photo_has_its_row_once(tmp_path, monkeypatch):
    with moto_server() as server:
        give_credentials(monkeypatch, server)
        monkeypatch.setenv("ENDPOINT", server.endpoint_url)
        uri = server.bucket("faults")
        for number in range(PHOTOS):
            server.client().put_object(Bucket="faults", Key=f"in/{number:03d}.png", Body=photo(number))
        source, target = f"{uri}/in", f"{uri}/out"
        settings = settings_for(source, target)
        store = open_store(target, Access(endpoint_url=server.endpoint_url))
        late = a_late_worker(settings)
        drivers = [start(source, target, server) for _ in range(2)]
        begun = [busy_actor(driver) for driver in drivers]
        os.kill(begun[0], signal.SIGKILL)
        os.kill(begun[1], signal.SIGSTOP)
        told = [json.loads(driver.communicate(timeout=240)[0].splitlines()[-1]) for driver in drivers]
        assert all(driver.returncode == 0 for driver in drivers)
        assert [each["errors"] for each in told] == [[], []]
        assert all(each["replaced"] >= 1 for each in told)
        assert sum(each["lost"] for each in told) >= 1  # both did some of it
        # And now the one that everybody has forgotten.
        before = {info.key: info.etag for info in store.list()}
        assert set(late().values()) == {"lost"}
        after = {info.key: info.etag for info in store.list()}
        assert {key: after[key] for key in before} == before
        publish(settings)
        report = fsck(store, deep=True)
        assert report.clean, report.problems
        rows = read_snapshot(store)
    undisturbed = settings_for(str(tmp_path / "in"), str(tmp_path / "out"))
    assert run_differences(*(without_places(each) for each in (rows, alone(undisturbed, tmp_path)))) == []
    found = [(row["product"].split("-")[0], row["src_key"], row["status"]) for row in rows.to_pylist()]
    assert len(found) == len(set(found)) == 2 * PHOTOS
    assert [(product, key) for product, key, status in found if status != "ok"] == [
        ("faces", "007.png"),
        ("smile_p1.00", "007.png"),
    ]


def a_late_worker(settings):
    """It has planned and computed, and not committed; what is returned lets it go on: outcomes by product."""
    job = plan(settings, SHARD)[-1]
    publish_, held = Making._publish, []

    class Held(Exception):
        pass

    def stop(self, *arguments):
        held.append((self, arguments))
        raise Held

    Making._publish = stop
    try:
        Mortal(settings).run(job, lambda _: None)
    except Held:
        pass
    finally:
        Making._publish = publish_
    ((making, arguments),) = held
    assert list_commits(making.target, settings.faces.name) == []
    return lambda: {settings.faces.name: publish_(making, *arguments).outcome}


def alone(settings, folder):
    """Rows of a run that nothing happened to, but for the quarantine."""
    (folder / "in").mkdir()
    for number in range(PHOTOS):
        path = folder / "in" / f"{number:03d}.png"
        path.write_bytes(photo(number))
        os.utime(path, ns=(0, time.time_ns()))
    worker = Mortal(settings)
    for job in plan(settings, SHARD):
        poison = [sample.sample_id for sample in job.samples if sample.key == "007.png"]
        for sample_id in poison:
            job = job.without(sample_id)
        worker.run(job, lambda _: None)
    publish(settings)
    return read_snapshot(open_store(settings.target))


def without_places(rows):
    """A bucket and a folder have other etags."""
    column = rows.schema.get_field_index("src_etag")
    return rows.set_column(column, rows.schema.field(column), [["same"] * rows.num_rows])
