"""A picture says that it is synthetic, and what made it."""

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from oodinv.imaging import decode_photo, encode_photo
from oodinv.imaging.provenance import SYNTHETIC, Provenance, read_provenance

MADE = Provenance(product="smile_p1.50-77d01b3e", fingerprint="ab" * 32, bundle_sha256="cd" * 32)
PIXELS = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
FORMATS = ("jpeg", "png", "webp")


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_carries_it_and_the_pixels_are_the_same(format_name):
    marked = encode_photo(PIXELS, format=format_name, provenance=MADE)
    plain = encode_photo(PIXELS, format=format_name)
    assert read_provenance(marked) == MADE and read_provenance(plain) is None
    assert (decode_photo(marked) == decode_photo(plain)).all()
    assert marked == encode_photo(PIXELS, format=format_name, provenance=MADE)


@pytest.mark.parametrize("format_name", FORMATS)
def test_other_programs_find_it_and_can_parse_it(format_name):
    image = Image.open(io.BytesIO(encode_photo(PIXELS, format=format_name, provenance=MADE)))
    told = image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()
    text = told.decode()
    root = ElementTree.fromstring(text[text.index("<x:xmpmeta") : text.index("<?xpacket end")])
    (description,) = root.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert description.attrib["{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"] == SYNTHETIC
    assert description.attrib["{urn:oodinv:provenance#}product"] == MADE.product


def test_it_survives_another_save_by_a_program_that_keeps_xmp():
    image = Image.open(io.BytesIO(encode_photo(PIXELS, format="png", provenance=MADE)))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", xmp=image.info["XML:com.adobe.xmp"].encode())
    assert read_provenance(buffer.getvalue()) == MADE


@pytest.mark.parametrize("value", ['x"/><evil', "a b", "\u00e9", "a\n"])
def test_what_would_break_out_of_the_packet_is_refused(value):
    with pytest.raises(ValueError, match="letters, digits"):
        Provenance(product=value, fingerprint="", bundle_sha256="")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<x:xmpmeta>",
        MADE.packet().replace(b"compositeWithTrainedAlgorithmicMedia", b"digitalCapture"),
        MADE.packet().replace(b"urn:oodinv:provenance#", b"urn:other#"),
        MADE.packet().replace(b"smile_p1.50", b"&lt;smile"),
    ],
)
def test_what_says_something_else_says_nothing(data):
    assert read_provenance(data) is None
