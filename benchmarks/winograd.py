"""Direct against transformed 3x3 convolutions on this processor: `python -m benchmarks.winograd`."""

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from oodinv.memory import keep_freed_memory
from oodinv.models.winograd import conv3x3, transform_kernel

SHAPES = (
    (512, 512, 16), (256, 256, 32), (1024, 1024, 32), (512, 1024, 64), (1024, 1024, 64), (512, 512, 128),
    (128, 128, 256), (256, 256, 256), (64, 64, 256),
)  # fmt: skip
"""Channels in, channels out, side of the map."""


def main() -> None:
    """Print a Markdown table; each row's calls alternate, the best of each counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=4)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    keep_freed_memory()
    print("| channels | side | direct (ms) | Winograd (ms) | ratio | largest difference, of the std |")
    print("| --- | --- | --- | --- | --- | --- |")
    with torch.inference_mode():
        for num_in, num_out, side in SHAPES:
            x = torch.randn(1, num_in, side, side)
            weight = torch.randn(num_out, num_in, 3, 3)
            kernel = transform_kernel(weight)
            calls: dict[str, Callable[[], Tensor]] = {
                "direct": lambda x=x, weight=weight: F.conv2d(x, weight, padding=1),  # type: ignore[misc]
                "ours": lambda x=x, kernel=kernel: conv3x3(x, kernel),  # type: ignore[misc]
            }
            best = dict.fromkeys(calls, float("inf"))
            outs: dict[str, Tensor] = {}
            for _ in range(asked.rounds):
                for name, call in calls.items():
                    begin = time.perf_counter()
                    outs[name] = call()
                    best[name] = min(best[name], time.perf_counter() - begin)
            off = float((outs["ours"] - outs["direct"]).abs().max() / outs["direct"].std())
            direct, ours = (1000 * best[name] for name in ("direct", "ours"))
            print(f"| {num_in} → {num_out} | {side} | {direct:.1f} | {ours:.1f} | {direct / ours:.2f} | {off:.0e} |")


if __name__ == "__main__":
    main()
