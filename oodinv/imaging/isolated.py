"""Decoding in other processes: a codec that crashes or never ends costs one of them and one photo, nothing else."""

import atexit
import fcntl
import json
import os
import queue
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from typing import IO

import numpy as np
from jaxtyping import UInt8

from oodinv.imaging.decode import DecodeLimits
from oodinv.imaging.decode_server import LENGTH
from oodinv.imaging.errors import PhotoError

SECONDS = 60.0
"""Longest for one photo; one of 50 million pixels takes two."""

_LIMITS = DecodeLimits()
_COMMAND = (sys.executable, "-m", "oodinv.imaging.decode_server")
_PIPE_BYTES = 2**20
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class IsolatedDecoder:
    """One process, started by the first photo and again after each death. For one thread at a time."""

    def __init__(self, seconds: float = SECONDS, command: Sequence[str] = _COMMAND):
        """Nothing is started.

        Args:
            seconds: Longest for one photo.
            command: What to start; speaks as `decode_server` does.
        """
        self._seconds, self._command = seconds, list(command)
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, data: bytes, limits: DecodeLimits = _LIMITS) -> UInt8[np.ndarray, "height width 3"]:
        """As `decode_photo`.

        Raises:
            PhotoError: As there; or `decoder-died` or `decoder-timeout`: the decoder died of the photo, twice, or did
                not come to an end with it.
            MemoryError: The machine has too little memory for the photo.
        """
        if len(data) > limits.max_bytes:
            raise PhotoError("too-many-bytes", f"expected at most {limits.max_bytes} bytes, got {len(data)}")
        for attempt in (1, 2):
            try:
                return self._ask(data, limits)
            except _DecoderGone as gone:
                if gone.timeout:
                    raise PhotoError(
                        "decoder-timeout",
                        f"expected a photo, got a file that was not decoded within {self._seconds:g} s",
                    ) from None
                if attempt == 2:
                    raise PhotoError(
                        "decoder-died", f"expected a photo, got a file of which the decoder dies ({gone})"
                    ) from None
        raise AssertionError("the loop returns or raises")

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    if pipe is not None:
                        pipe.close()

    def _ask(self, data: bytes, limits: DecodeLimits) -> UInt8[np.ndarray, "height width 3"]:
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        answers, late = process.stdout, False
        try:
            for part in (json.dumps(asdict(limits)).encode(), data):
                _write(process.stdin, LENGTH.pack(len(part)))
                _write(process.stdin, part)
            # It answers when it is done; whatever it does until then may take this long.
            late = not select.select([answers], [], [], self._seconds)[0]
            if late:
                process.kill()
            told = json.loads(_read(answers, LENGTH.unpack(_read(answers, LENGTH.size))[0]))
            if "shape" in told:
                photo = np.empty(told["shape"], np.uint8)
                _fill(answers, photo.data.cast("B"))
                return photo
        except (EOFError, OSError) as error:
            code = process.wait()
            self.close()
            raise _DecoderGone(code, timeout=late) from error
        if "memory" in told:
            raise MemoryError(told["memory"])
        raise PhotoError(told["error_class"], told["message"])

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 (our own arguments)
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env=os.environ | _ENVIRONMENT,
            )
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                with suppress(OSError, AttributeError):  # fewer, larger pieces; where it is not allowed, it works too
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        return self._process


class Decoders:
    """Several decoders for any number of threads."""

    def __init__(self, count: int, command: Sequence[str] = _COMMAND):
        """Nothing is started; each process is, by the first photo that finds no other one idle."""
        self._all = [IsolatedDecoder(command=command) for _ in range(count)]
        self._idle: queue.LifoQueue[IsolatedDecoder] = queue.LifoQueue()
        for decoder in reversed(self._all):
            self._idle.put(decoder)

    def decode(self, data: bytes, limits: DecodeLimits = _LIMITS) -> UInt8[np.ndarray, "height width 3"]:
        """As `IsolatedDecoder.decode`; waits for an idle one."""
        decoder = self._idle.get()
        try:
            return decoder.decode(data, limits)
        finally:
            self._idle.put(decoder)

    def close(self) -> None:
        """End all processes."""
        for decoder in self._all:
            decoder.close()


@cache
def shared_decoders(count: int) -> Decoders:
    """The decoders of this process, which end with it."""
    decoders = Decoders(count)
    atexit.register(decoders.close)
    return decoders


class _DecoderGone(Exception):
    def __init__(self, code: int, *, timeout: bool):
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        super().__init__(name)
        self.timeout = timeout


def _write(pipe: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[pipe.write(rest) :]


def _read(pipe: IO[bytes], length: int) -> bytes:
    data = bytearray(length)
    _fill(pipe, memoryview(data))
    return bytes(data)


def _fill(pipe: IO[bytes], room: memoryview) -> None:
    while room:
        count = pipe.readinto(room)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        room = room[count:]
