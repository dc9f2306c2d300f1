import pytest

from oodinv.portraits.accessories import DESIGNS
from oodinv.portraits.examples import PORTRAITS
from oodinv.portraits.scenes import group_photo, still_life


def test_a_group_of_three_shows_three_faces_and_a_still_life_none(studio, detector):
    photo = group_photo(studio, [9_000_032, 9_000_001, 9_000_033], height=240)
    assert photo.shape[0] == 240
    assert len(detector.detect(photo)) == 3
    assert detector.detect(still_life(studio, 9_000_002, size=240)) == []


def test_a_group_of_nobody_is_refused(studio):
    with pytest.raises(ValueError, match="at least one seed"):
        group_photo(studio, [])


def test_example_names_are_unique_and_their_accessories_exist():
    assert len({example.name for example in PORTRAITS}) == len(PORTRAITS)
    assert all(example.accessory is None or example.accessory in DESIGNS for example in PORTRAITS)
