import datetime

import numpy as np
import pyarrow as pa
import pytest
from tiny_run import FACE, now

from oodinv.ledger import (
    ROW_SCHEMA,
    LedgerError,
    PartInvalid,
    make_row,
    row_rules,
    rows_to_table,
    sample_id,
    validate_part,
)
from oodinv.ledger.inventory import Sample, Shard
from oodinv.ledger.parquet import from_parquet, to_parquet

PRODUCT = "faces-3fa2b1c0"
SHARD = Shard(
    shard_id="1-000000",
    samples=tuple(Sample(key=f"{n}.jpg", etag="1-1", size=9, shard_id="1-000000", generation=0) for n in range(3)),
)
OUTPUT = {
    "edit": "smile_p1.50",
    "out_key": "products/x/0.png",
    "out_width": 640,
    "out_height": 480,
    "out_format": "png",
    "out_bytes": 5,
    "out_sha256": "0" * 64,
    "bundle_sha256": "1" * 64,
    "setting": "improved",
    "compose": "residual",
    "ood_area": 0.0,
    "recon_psnr": 25.5,
    "id_similarity": 1.0,
    "model_ms": 0.0,
}


def rows(**changes):
    """A good part: two faces, no face, unreadable; ``changes`` go into the first face."""
    same = {"product": PRODUCT, "attempt": "a" * 32, "committed_at": now()}
    first, second, third = ({**sample.row_fields(), **same} for sample in SHARD.samples)
    return [
        {**first, **FACE, "face_index": 0, "num_faces": 2, "status": "ok", **changes},
        {**first, **FACE, "face_index": 1, "num_faces": 2, "status": "ok"},
        {
            **second,
            "face_index": -1,
            "num_faces": 0,
            "status": "skipped",
            "stage": "detect",
            "error_class": "no-face",
        },
        {**third, "face_index": -1, "status": "failed", "stage": "decode", "error_class": "truncated"},
    ]


def check(some_rows):
    return validate_part(rows_to_table(some_rows), product=PRODUCT, shard=SHARD)


def test_good_rows_pass_and_come_out_in_order():
    good = rows()
    table = check(good)
    assert check(good[::-1]).equals(table)
    assert [
        (key, face) for key, face in zip(table["src_key"].to_pylist(), table["face_index"].to_pylist(), strict=True)
    ] == [
        ("0.jpg", 0),
        ("0.jpg", 1),
        ("1.jpg", -1),
        ("2.jpg", -1),
    ]


def test_good_rows_of_an_edit_pass():
    assert check(rows(**OUTPUT)).num_rows == 4


def test_pandera_is_asked_about_nothing_that_is_right(monkeypatch):
    asked = []
    monkeypatch.setattr(row_rules, "_failures", lambda columns: asked.append(columns.column_names) or [])
    check(rows(**OUTPUT))
    assert asked == []
    check(rows(ood_area=2.0, out_bytes=0))
    assert asked == [["ood_area", "out_bytes"]]


PLANTED = [
    ({"ood_area": 1.0001}, "ood_area: in_range"),
    ({"ood_area": float("nan")}, "ood_area: in_range"),
    ({"det_score": -0.1}, "det_score: in_range"),
    ({"status": "done"}, "status: isin"),
    ({"status": None}, "status: not_nullable"),
    ({"face_index": -2}, "face_index: greater_than_or_equal_to"),
    ({"face_index": 1}, "multiple_fields_uniqueness"),
    ({"sample_id": "xyz"}, "sample_id: str_matches"),
    ({"product": "faces"}, "product: str_matches"),
    ({"product": "faces-00000000"}, "product: expected 'faces-3fa2b1c0' in every row, got 'faces-00000000'"),
    ({"attempt": "b" * 32}, "attempt: expected one for the whole part, got 2"),
    ({"attempt": "mine"}, "attempt: str_matches"),
    ({"schema_version": 2}, "schema_version: equal_to(1) fails for 2"),
    ({"committed_at": None}, "committed_at: not_nullable"),
    ({"recon_psnr": float("inf")}, "recon_psnr: in_range"),
    ({"id_similarity": 1.5}, "id_similarity: in_range"),
    ({"setting": "other"}, "setting: isin"),
    ({"compose": "paste"}, "compose: isin"),
    ({"out_format": "gif"}, "out_format: isin"),
    ({"out_sha256": "0" * 63}, "out_sha256: str_matches"),
    ({"out_bytes": 0}, "out_bytes: greater_than"),
    ({"stage": "Not A Slug"}, "stage: str_matches"),
    ({"status": "failed"}, "stage and error_class must say why"),
    ({"error_class": "odd"}, "ok, so it must carry no error"),
    ({"num_faces": None}, "a face needs num_faces above its index"),
    ({"num_faces": 0}, "a face needs num_faces above its index"),
    ({"num_faces": 3}, "its rows differ in num_faces"),
    ({"bbox": None}, "an ok face needs"),
    ({"detector": None}, "an ok face needs"),
    ({"edit": "smile_p1.50"}, "an ok edit needs out_key"),
    ({**OUTPUT, "out_sha256": None}, "an ok edit needs out_key"),
    ({"bbox": (1, 2, 1, 4)}, "bbox must be finite with x0 < x1"),
    ({"bbox": (1, 2, 3, float("inf"))}, "bbox must be finite"),
    ({"bbox": (1, 2, float("nan"), 4)}, "bbox must be finite"),
    ({"crop_transform": (1, 0, 0, 0, -1, 0)}, "crop_transform must be finite and keep orientation"),
    ({"crop_transform": (1, 0, float("nan"), 0, 1, 0)}, "crop_transform must be finite"),
    ({"landmarks": [[1, 2]] * 68}, "landmarks must be finite and as many"),
    ({"landmarks": [[1, float("nan")]] * 5}, "landmarks must be finite"),
    ({"landmark_scheme": "7"}, "landmark_scheme: isin"),
    ({"landmark_scheme": None}, "landmarks must be finite and as many"),
    ({"src_key": "other.jpg"}, "src_key is 'other.jpg', the inventory has '0.jpg'"),
    ({"src_etag": "2-2"}, "src_etag is '2-2', the inventory has '1-1'"),
    ({"src_bytes": 8}, "src_bytes is 8, the inventory has 9"),
    ({"generation": 1}, "generation is 1, the inventory has 0"),
    ({"shard_id": "1-000001"}, "shard_id is '1-000001'"),
    ({"sample_id": sample_id("stranger.jpg")}, "does not belong to this shard"),
]


@pytest.mark.parametrize(("planted", "problem"), PLANTED, ids=lambda value: str(value)[:50])
def test_one_planted_bad_value_stops_the_part(planted, problem):
    with pytest.raises(PartInvalid) as caught:
        check(rows(**planted))
    assert problem in str(caught.value)
    assert f"part of {PRODUCT}, shard 1-000000" in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "problem"),
    [(0, "got [1] with num_faces 2"), (1, "got [0] with num_faces 2"), (2, "has no row"), (3, "has no row")],
)
def test_a_missing_row_stops_the_part(missing, problem):
    some = rows()
    del some[missing]
    with pytest.raises(PartInvalid) as caught:
        check(some)
    assert problem in str(caught.value)


def test_a_row_about_the_whole_photo_stands_alone_and_is_never_ok():
    some = rows()
    with pytest.raises(PartInvalid, match="expected one row with face_index -1 or rows 0"):
        check([*some, {**some[0], "face_index": -1, "status": "failed", "stage": "put", "error_class": "odd"}])
    with pytest.raises(PartInvalid, match="about the whole photo cannot be ok"):
        check([*some[:2], {**some[2], "status": "ok", "error_class": None}, some[3]])


def test_a_quarantined_photo_with_faces_needs_one_row_only():
    some = rows()
    poison = {**some[3], "status": "quarantined", "stage": "model", "error_class": "killed-process", "num_faces": 4}
    assert check([*some[:3], poison]).num_rows == 4


def test_the_message_is_bounded():
    with pytest.raises(PartInvalid, match=r"and \d+ more") as caught:
        check([{**row, "src_key": "x" * 5000, "stage": "NO", "error_class": "NO", "det_score": 7} for row in rows()])
    assert len(str(caught.value)) < 5000


def test_validation_cannot_be_switched_off_from_outside():
    from pandera.config import config_context

    with config_context(validation_enabled=False), pytest.raises(PartInvalid, match="ood_area"):
        check(rows(ood_area=2.0))


def test_another_schema_is_refused():
    with pytest.raises(PartInvalid, match="its columns are not ROW_SCHEMA"):
        validate_part(rows_to_table(rows()).drop_columns(["seed"]), product=PRODUCT, shard=SHARD)


def test_a_row_has_every_column_and_no_other():
    assert list(make_row(status="ok")) == ROW_SCHEMA.names
    with pytest.raises(ValueError, match=r"unknown fields \['statsu'\]"):
        make_row(statsu="ok")


@pytest.mark.parametrize(
    "field",
    [
        {"face_index": 1.5},
        {"out_bytes": "5"},
        {"seed": 2**70},
        {"bbox": [1, 2, 3]},
        {"src_key": "\udcff"},
        {"src_key": 7},
        {"det_score": "high"},
        {"committed_at": datetime.datetime(2026, 1, 1)},
        {"committed_at": "today"},
    ],
)
def test_a_value_of_another_type_is_refused_by_name(field):
    with pytest.raises(ValueError, match=next(iter(field))):
        make_row(**field)


def test_arrays_of_numpy_become_plain_rows():
    row = make_row(
        landmarks=np.arange(10, dtype=np.float32).reshape(5, 2),
        crop_transform=np.array([[1, 2, 3], [4, 5, 6]]),
        det_score=np.float32(0.5),
        face_index=np.int64(3),
    )
    assert row["landmarks"] == list(range(10))
    assert row["crop_transform"] == [1, 2, 3, 4, 5, 6]
    assert (row["det_score"], row["face_index"]) == (0.5, 3)


def test_an_error_message_is_cut_and_made_valid_text():
    message = make_row(error_message="bad name \udcff " + "x" * 10_000)["error_message"]
    assert len(message) == 500 and message.startswith("bad name \\udcff xxx") and message.endswith("…")


def test_parquet_there_and_back_is_the_same_table_and_the_same_bytes():
    table = check(rows())
    data = to_parquet(table)
    again = from_parquet(data, ROW_SCHEMA, "here")
    assert again.equals(table)
    assert to_parquet(again) == data
    halves = pa.concat_tables([table.slice(0, 2), table.slice(2)])
    assert to_parquet(halves) == data


def test_bytes_that_are_not_ours_are_refused():
    table = check(rows())
    with pytest.raises(LedgerError, match="here is no readable Parquet file"):
        from_parquet(to_parquet(table)[:-100], ROW_SCHEMA, "here")
    with pytest.raises(LedgerError, match=r"found version 1: missing \['seed'\]"):
        from_parquet(to_parquet(table.drop_columns(["seed"])), ROW_SCHEMA, "here")
