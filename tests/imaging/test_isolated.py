"""A codec that crashes or hangs costs one process and one photo."""

import os
import signal
import sys
import threading

import numpy as np
import pytest

from oodinv.imaging import DecodeLimits, PhotoError, decode_photo, encode_photo
from oodinv.imaging.isolated import Decoders, IsolatedDecoder

PIXELS = np.random.default_rng(0).integers(0, 256, (300, 200, 3), np.uint8)


@pytest.fixture(scope="module")
def decoder():
    decoder = IsolatedDecoder()
    yield decoder
    decoder.close()


@pytest.mark.parametrize("format_name", ["jpeg", "png", "webp"])
def test_photos_are_decoded_as_they_are_here(decoder, format_name):
    data = encode_photo(PIXELS, format=format_name)
    found = decoder.decode(data)
    assert (found == decode_photo(data)).all() and found.flags.writeable


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (b"", DecodeLimits()),
        (b"<html>", DecodeLimits()),
        (encode_photo(PIXELS, format="jpeg")[:500], DecodeLimits()),
        (encode_photo(PIXELS, format="png"), DecodeLimits(max_pixels=100)),
        (encode_photo(PIXELS, format="png"), DecodeLimits(max_bytes=100)),
    ],
)
def test_what_is_refused_is_refused_alike_and_the_process_goes_on(decoder, data, limits):
    with pytest.raises(PhotoError) as here:
        decode_photo(data, limits)
    before = decoder._started().pid
    with pytest.raises(PhotoError) as there:
        decoder.decode(data, limits)
    assert (there.value.error_class, str(there.value)) == (here.value.error_class, str(here.value))
    assert decoder._started().pid == before


def test_a_killed_decoder_is_replaced_and_the_photo_decoded(decoder):
    data = encode_photo(PIXELS, format="png")
    decoder.decode(data)
    os.kill(decoder._started().pid, signal.SIGKILL)
    assert (decoder.decode(data) == PIXELS).all()


@pytest.mark.parametrize(
    ("program", "error_class", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "decoder-died", r"the decoder dies \(SIGSEGV\)"),
        ("os._exit(7)", "decoder-died", r"\(exit code 7\)"),
        ("time.sleep(600)", "decoder-timeout", "not decoded within 0.5 s"),
    ],
)
def test_a_photo_of_which_the_decoder_dies_is_refused(program, error_class, message):
    program = f"import os, signal, sys, time; sys.stdin.buffer.read(8); {program}"
    decoder = IsolatedDecoder(0.5 if "sleep" in program else 60.0, [sys.executable, "-c", program])
    with pytest.raises(PhotoError, match=message) as refused:
        decoder.decode(encode_photo(PIXELS, format="png"))
    assert refused.value.error_class == error_class and decoder._process is None


def test_little_memory_is_the_machines_trouble():
    program = (
        "import sys; from oodinv.imaging import decode_server as server\n"
        "def none_left(*_): raise MemoryError('none left')\n"
        "server.decode_photo = none_left\n"
        "server.serve(sys.stdin.buffer, sys.stdout.buffer)"
    )
    decoder = IsolatedDecoder(command=[sys.executable, "-c", program])
    with pytest.raises(MemoryError, match="none left"):
        decoder.decode(b"any")
    decoder.close()


def test_many_threads_share_few_processes():
    decoders = Decoders(2)
    data = encode_photo(PIXELS, format="png")
    found = []
    threads = [threading.Thread(target=lambda: found.append(decoders.decode(data))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and all((photo == PIXELS).all() for photo in found)
    pids = {decoder._process.pid for decoder in decoders._all if decoder._process is not None}
    assert 1 <= len(pids) <= 2
    decoders.close()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_a_decoder_ends_with_whoever_asks_it():
    decoder = IsolatedDecoder()
    decoder.decode(encode_photo(PIXELS, format="png"))
    process = decoder._started()
    process.stdin.close()  # as when this process is killed
    assert process.wait(10) == 0
    decoder.close()
