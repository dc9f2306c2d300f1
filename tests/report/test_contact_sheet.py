import io

import numpy as np
import pytest
from PIL import Image

from oodinv.report.contact_sheet import SheetRow, contact_sheet, to_jpeg


def _tile(value):
    return np.full((20, 20, 3), value, dtype=np.uint8)


def test_every_picture_stands_under_its_title():
    rows = [SheetRow(tiles=[_tile(10), _tile(200)]), SheetRow(tiles=[_tile(60), None])]
    sheet = np.asarray(contact_sheet(["photo", "mask"], rows, tile=20, across=1))
    centres = [[tuple(sheet[18 + 6 + 10 + line * 26, 6 + 10 + column * 26]) for column in (0, 1)] for line in (0, 1)]
    assert centres[0] == [(10, 10, 10), (200, 200, 200)]
    assert centres[1][0] == (60, 60, 60)
    assert centres[1][1] == (250, 250, 248)  # left empty


def test_a_row_with_a_picture_missing_is_refused():
    with pytest.raises(ValueError, match="needs 2 pictures"):
        contact_sheet(["photo", "mask"], [SheetRow(tiles=[_tile(0)])])


def test_the_jpeg_opens_and_has_no_metadata():
    image = Image.open(io.BytesIO(to_jpeg(contact_sheet(["photo"], [SheetRow(tiles=[_tile(9)])], tile=20))))
    assert image.format == "JPEG" and not image.getexif()
