from oodinv.report.spans import bucket
from oodinv.report.wave_report import WaveFacts, products_table, stages_table

WAVE = WaveFacts(
    photos=30,
    seconds=12.0,
    samples={"smile-1": {"ok": 20, "failed": 10}, "faces-1": {"ok": 25, "skipped": 3, "failed": 1, "quarantined": 1}},
    stage_seconds={"edit": 1.0, "invert": 3.0},
    spans={"invert": {bucket(0.1): 95, bucket(10.0): 5}, "edit": {bucket(0.01): 1}},
    errors={"faces-1": {"truncated": 5, "no-face": 3, "corrupt": 5, "vanished": 1}, "smile-1": {}},
    given_up=2,
)


def test_a_line_for_each_product_tells_what_became_of_its_photos():
    faces, smile = products_table(WAVE)
    assert faces == {
        "product": "faces-1", "ok": 25, "skipped": 3, "failed": 1, "quarantined": 1, "photos/s": 2.5,
        "top errors": "corrupt 5, truncated 5, no-face 3", "shards given up": 2,
    }  # fmt: skip
    assert (smile["product"], smile["ok"], smile["skipped"], smile["failed"]) == ("smile-1", 20, 0, 10)
    assert smile["top errors"] == "none"


def test_a_line_for_each_stage_tells_where_the_time_went():
    invert, edit = stages_table(WAVE)
    assert (invert["stage"], invert["steps"], invert["seconds"], invert["share"]) == ("invert", 100, 3.0, "75%")
    assert 91 < invert["p50 ms"] < 109 and 91 < invert["p95 ms"] < 109  # the 95th of 100 is still a fast one
    assert (edit["stage"], edit["share"]) == ("edit", "25%")


def test_a_wave_of_nothing_divides_by_nothing():
    empty = WaveFacts(
        photos=0, seconds=0.0, samples={"p": {}}, stage_seconds={"load": 0.0}, spans={}, errors={}, given_up=0
    )
    assert products_table(empty)[0]["photos/s"] == 0.0 and products_table(empty)[0]["top errors"] == "none"
    assert stages_table(empty) == [
        {"stage": "load", "steps": 0, "p50 ms": 0.0, "p95 ms": 0.0, "seconds": 0.0, "share": ""}
    ]
