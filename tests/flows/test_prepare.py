"""From a request to products, before anything is started."""

import logging

import pytest

from flows.prepare import prepare
from flows.request import AugmentRequest


@pytest.fixture
def request_for(small_photos, tiny_bundle, tmp_path):
    def make(*edits, **fields):
        return AugmentRequest(
            source=str(small_photos), target=str(tmp_path / "out"), bundle=str(tiny_bundle), edits=edits, **fields
        )

    return make


def test_every_step_of_a_sweep_is_a_product_of_its_own(request_for):
    settings = prepare(request_for("smile=-2:2:5", "age=1"), write=False)
    steps = ("m2.00", "m1.00", "p0.00", "p1.00", "p2.00")
    assert [product.slug for product in settings.products] == [*(f"smile_{step}" for step in steps), "age_p1.00"]
    (one,) = prepare(request_for("smile=1"), write=False).products
    assert one.name == settings.products[3].name  # asked for alone it is the same product


@pytest.mark.parametrize(("asked", "resolved"), [(None, "reuse"), ("minimum", "minimum"), ("follow", "follow")])
def test_the_composition_of_a_request_is_in_its_products(request_for, asked, resolved):
    settings = prepare(request_for("smile=1", "identity", composition=asked), write=False)
    assert [product.composition for product in settings.products] == [resolved, None]
    spec = settings.products[0].definition.spec
    assert spec["parameters"]["composition"] == resolved


def test_strengths_beyond_the_safe_range_are_logged_once_and_not_refused(request_for, caplog):
    request = request_for("smile=-3:3:4", "age=2", "yaw=-2.01,age=1")
    assert len(prepare(request, write=False).products) == 6
    (record,) = caplog.records
    assert (record.levelno, record.name.split(".")[0]) == (logging.WARNING, "oodinv")
    assert record.getMessage().endswith("smile=-3 and +3 (safe from -2 to 2), yaw=-2.01 (safe from -2 to 2)")
    caplog.clear()
    prepare(request, write=False, warn=False)
    prepare(request_for("smile=-2:2:4"), write=False)
    assert not caplog.records


@pytest.mark.parametrize("microbatch", [None, 4])
def test_the_microbatch_reaches_the_workers_and_changes_no_product(small_photos, tiny_bundle, tmp_path, microbatch):
    given = {"source": str(small_photos), "target": str(tmp_path), "edits": ("smile=+1",), "bundle": str(tiny_bundle)}
    asked = prepare(AugmentRequest(**given, microbatch=microbatch), write=False)
    plain = prepare(AugmentRequest(**given), write=False)
    assert asked.microbatch == microbatch
    assert (asked.faces, asked.products) == (plain.faces, plain.products)


@pytest.mark.parametrize("choice", [{"preset": "fast"}, {"precision": "bfloat16"}])
def test_what_changes_the_numbers_makes_another_product(request_for, choice):
    plain, chosen = (prepare(request_for("smile=1", **fields), write=False) for fields in ({}, choice))
    assert plain.products[0].name != chosen.products[0].name
    assert plain.faces == chosen.faces
    assert {name: getattr(chosen, name) for name in choice} == choice
