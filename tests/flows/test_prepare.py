import pytest

from flows.prepare import prepare
from flows.request import AugmentRequest


@pytest.mark.parametrize("microbatch", [None, 4])
def test_the_microbatch_reaches_the_workers_and_changes_no_product(small_photos, tiny_bundle, tmp_path, microbatch):
    given = {"source": str(small_photos), "target": str(tmp_path), "edits": ("smile=+1",), "bundle": str(tiny_bundle)}
    asked = prepare(AugmentRequest(**given, microbatch=microbatch), write=False)
    plain = prepare(AugmentRequest(**given), write=False)
    assert asked.microbatch == microbatch
    assert (asked.faces, asked.products) == (plain.faces, plain.products)
