import json
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.read_request import RequestError, read_request
from flows.request import AugmentRequest
from oodinv.models.decomposition import Composition

GIVEN = {"source": "in", "target": "out", "edits": ("smile=+1",)}


def refusal(path=None, **options):
    with pytest.raises(RequestError) as caught:
        read_request(path, options)
    return str(caught.value)


def test_defaults_are_those_the_help_names():
    request = read_request(None, GIVEN)
    assert (request.bundle, request.detector, request.output) == ("embedded", "centerface", "photo")
    assert (request.format, request.quality, request.shard_size) == ("jpeg", 95, 256)
    assert request.composition is None  # what the bundle says
    assert (request.max_failed_share, request.keep, request.dry_run, request.seed) == (0.05, (), False, 0)


@pytest.mark.parametrize("name", ["r.yaml", "r.yml", "r.json"])
def test_options_win_over_the_file(tmp_path, name):
    fields = {"source": "photos", "target": "out", "edits": ["age=1", "smile=+2,age=-1"], "quality": 80}
    (tmp_path / name).write_text(json.dumps(fields))  # JSON is YAML too
    request = read_request(tmp_path / name, {"quality": 70, "source": "elsewhere"})
    assert (request.source, request.target, request.quality) == ("elsewhere", "out", 70)
    assert request.edits == ("age=+1.00", "age=-1.00,smile=+2.00")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"source": None}, "--source is needed"),
        ({"edits": None}, "--edit is needed"),
        ({"edits": ()}, "--edit: "),
        ({"edits": ("smile",)}, "--edit: expected an edit like smile=+1.5"),
        ({"edits": ("smile=+200",)}, "between -99 and 99"),
        ({"edits": ("smile=1", "smile=+1.00")}, "every edit may be asked for once, got ['smile=+1.00'] twice"),
        ({"edits": ("smile=1,age=2", "age=2,smile=1")}, "every edit may be asked for once"),
        ({"edits": ("smile=-1:1:3", "smile=0")}, "every edit may be asked for once, got ['smile=+0.00'] twice"),
        ({"edits": ("smile=-1:1",)}, "--edit: expected a sweep like smile=-2:2:5"),
        ({"edits": ("a=0:1:40,b=0:1:40",)}, "makes 1600 edits, expected at most 1000"),
        ({"edits": ("a=0:9:600", "b=0:9:600")}, "at most 1000 edits can be asked for at once, these make 1200"),
        ({"composition": "best"}, "--composition: Input should be 'repredict', 'reuse', 'minimum' or 'follow', got"),
        ({"detector": "magic"}, "--detector: Input should be 'centerface' or 'face-alignment', got 'magic'"),
        ({"output": "faces"}, "--output: Input should be 'photo' or 'crop', got 'faces'"),
        ({"format": "tiff"}, "--format: Input should be 'jpeg', 'png' or 'webp', got 'tiff'"),
        ({"keep": ["masks", "eyes"]}, "Input should be 'masks', 'crops' or 'latents', got 'eyes'"),
        ({"quality": 0}, "--quality: Input should be greater than or equal to 1, got '0'"),
        ({"shard_size": 0}, "--shard-size: Input should be greater than or equal to 1"),
        ({"workers": -1}, "--workers: Input should be greater than or equal to 1"),
        ({"max_failed_share": 1.5}, "--max-failed-share: Input should be less than or equal to 1, got '1.5'"),
        ({"max_failed_share": float("nan")}, "--max-failed-share: "),
        ({"sourse": "x"}, "unknown field 'sourse': expected some of source, target, edits"),
    ],
)
def test_a_bad_field_is_named_with_what_was_expected_and_what_came(options, text):
    fields = {name: value for name, value in (GIVEN | options).items() if value is not None}
    assert text in refusal(**fields)


def test_a_sweep_becomes_as_many_edits_in_its_order():
    request = read_request(None, GIVEN | {"edits": ("smile=-1:1:3", "identity", "yaw=0:1:2,age=2")})
    assert request.edits == (
        "smile=-1.00", "smile=+0.00", "smile=+1.00", "identity", "age=+2.00,yaw=+0.00", "age=+2.00,yaw=+1.00",
    )  # fmt: skip
    assert AugmentRequest.model_validate(request.model_dump()) == request  # what is expanded stays as it is


def test_the_compositions_are_those_of_the_model():
    annotation = AugmentRequest.model_fields["composition"].annotation
    assert get_args(get_args(annotation)[0]) == get_args(Composition)
    for composition in get_args(Composition):
        assert read_request(None, GIVEN | {"composition": composition}).composition == composition


def test_all_bad_fields_are_told_at_once():
    assert refusal(quality=0, format="tiff").count("\n") == 4  # and source, target and edits are missing


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("r.yaml", b"source: [unclosed"),
        ("r.json", b"{'source': 1}"),
        ("r.yaml", b"\xff\xfe\x00binary"),
        ("r.json", b""),
        ("r.yaml", b"source: !!python/object/apply:os.system ['true']"),
    ],
)
def test_a_file_that_is_no_yaml_or_json_is_refused(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert f"{tmp_path / name} is not readable: " in refusal(tmp_path / name)


@pytest.mark.parametrize("text", ["", "- source", "just words", "3"])
def test_a_file_without_fields_is_refused(tmp_path, text):
    (tmp_path / "r.yaml").write_text(text)
    assert "must hold fields like `source: photos`, got " in refusal(tmp_path / "r.yaml")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert "is not readable" in refusal(tmp_path / "none.yaml")


names = st.sampled_from([*AugmentRequest.model_fields, "unknown"])
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(names, scalars | st.lists(scalars, max_size=3), max_size=5))
def test_whatever_the_fields_hold_the_answer_is_a_request_or_a_refusal(fields):
    try:
        assert isinstance(read_request(None, fields), AugmentRequest)
    except RequestError as error:
        assert str(error)
