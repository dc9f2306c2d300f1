"""The other end of `isolated.IsolatedDecoder`: a process that decodes photos and may die of one.

Asked on standard input, answers on standard output; ends when nobody asks any more. Each message begins with the length
of what follows. Answers: a line of JSON, and after one that has a shape, the pixels.
"""

import json
import os
import struct
import sys
from typing import BinaryIO

from oodinv.imaging.decode import DecodeLimits, decode_photo
from oodinv.imaging.errors import PhotoError

LENGTH = struct.Struct("<Q")


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Decode until the input ends."""
    while header := _whole(asked, LENGTH.size):
        limits = DecodeLimits(**json.loads(_whole(asked, LENGTH.unpack(header)[0])))
        data = _whole(asked, LENGTH.unpack(_whole(asked, LENGTH.size))[0])
        try:
            photo = decode_photo(data, limits)
        except PhotoError as error:
            _answer(answers, {"error_class": error.error_class, "message": str(error)})
        except MemoryError as error:
            _answer(answers, {"memory": str(error)[:200]})
        else:
            _answer(answers, {"shape": photo.shape})
            answers.write(photo.data)
        del data
        answers.flush()


def _answer(answers: BinaryIO, told: dict[str, object]) -> None:
    line = json.dumps(told).encode()
    answers.write(LENGTH.pack(len(line)) + line)


def _whole(asked: BinaryIO, length: int) -> bytes:
    """So many bytes; none at the input's end."""
    data = asked.read(length)
    if len(data) < length:
        # Whoever asked is gone, in mid-sentence or between two.
        os._exit(0)
    return data


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
