"""Inception-v3 features as the Fréchet distance between pictures uses them (Szegedy et al. 2015, arXiv 1512.00567).

The shape is that of the weights ported from the original TensorFlow graph (`pt_inception-2015-12-05`): average pools
leave the border out, and the last block pools by the maximum. Layer names are the published ones, so that their
tensors fit one by one. The weights are not part of this project.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

NUM_FEATURES, _INPUT = 2048, 299
_Layer = tuple[str, int, tuple[int, int], int]
"""Name, channels, kernel (rows, columns), stride; a stride of 2 has no padding."""


class _Conv(nn.Module):
    def __init__(self, num_in: int, num_out: int, kernel: tuple[int, int], stride: int, *, pad: bool):
        super().__init__()
        padding = (kernel[0] // 2, kernel[1] // 2) if pad else (0, 0)
        self.conv = nn.Conv2d(num_in, num_out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(num_out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu()


class _Block(nn.Module):
    """Branches side by side, each a chain of convolutions; the last step of a chain may fork."""

    def __init__(self, num_in: int, branches: list[list[_Layer]], *, pool: str, forks: tuple[str, ...] = ()):
        super().__init__()
        self.pool = pool
        self.chains: list[list[str]] = []
        self.forked = forks
        for chain in branches:
            width, names = num_in, []
            for name, num_out, kernel, stride in chain:
                self.add_module(name, _Conv(width, num_out, kernel, stride, pad=stride == 1))
                names.append(name)
                width = num_out  # forks keep the width, so the second one fits what the first one got
            self.chains.append(names)

    def forward(self, x: Tensor) -> Tensor:
        found = [self._chain(names, self._pooled(x) if names == ["branch_pool"] else x) for names in self.chains]
        if self.pool == "halve":
            found.append(F.max_pool2d(x, 3, 2))
        return torch.cat(found, dim=1)

    def _chain(self, names: list[str], x: Tensor) -> Tensor:
        ends = []
        for name in names:
            step = self.get_submodule(name)
            if name in self.forked:
                ends.append(step(x))
            else:
                x = step(x)
        return torch.cat(ends, dim=1) if ends else x

    def _pooled(self, x: Tensor) -> Tensor:
        if self.pool == "max":
            return F.max_pool2d(x, 3, 1, 1)
        return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def _block_a(num_in: int, pooled: int) -> _Block:
    return _Block(
        num_in,
        [
            [("branch1x1", 64, (1, 1), 1)],
            [("branch5x5_1", 48, (1, 1), 1), ("branch5x5_2", 64, (5, 5), 1)],
            [
                ("branch3x3dbl_1", 64, (1, 1), 1),
                ("branch3x3dbl_2", 96, (3, 3), 1),
                ("branch3x3dbl_3", 96, (3, 3), 1),
            ],
            [("branch_pool", pooled, (1, 1), 1)],
        ],
        pool="average",
    )


def _block_b(num_in: int) -> _Block:
    return _Block(
        num_in,
        [
            [("branch3x3", 384, (3, 3), 2)],
            [
                ("branch3x3dbl_1", 64, (1, 1), 1),
                ("branch3x3dbl_2", 96, (3, 3), 1),
                ("branch3x3dbl_3", 96, (3, 3), 2),
            ],
        ],
        pool="halve",
    )


def _block_c(num_in: int, width: int) -> _Block:
    return _Block(
        num_in,
        [
            [("branch1x1", 192, (1, 1), 1)],
            [
                ("branch7x7_1", width, (1, 1), 1),
                ("branch7x7_2", width, (1, 7), 1),
                ("branch7x7_3", 192, (7, 1), 1),
            ],
            [
                ("branch7x7dbl_1", width, (1, 1), 1),
                ("branch7x7dbl_2", width, (7, 1), 1),
                ("branch7x7dbl_3", width, (1, 7), 1),
                ("branch7x7dbl_4", width, (7, 1), 1),
                ("branch7x7dbl_5", 192, (1, 7), 1),
            ],
            [("branch_pool", 192, (1, 1), 1)],
        ],
        pool="average",
    )


def _block_d(num_in: int) -> _Block:
    return _Block(
        num_in,
        [
            [("branch3x3_1", 192, (1, 1), 1), ("branch3x3_2", 320, (3, 3), 2)],
            [
                ("branch7x7x3_1", 192, (1, 1), 1),
                ("branch7x7x3_2", 192, (1, 7), 1),
                ("branch7x7x3_3", 192, (7, 1), 1),
                ("branch7x7x3_4", 192, (3, 3), 2),
            ],
        ],
        pool="halve",
    )


def _block_e(num_in: int, pool: str) -> _Block:
    return _Block(
        num_in,
        [
            [("branch1x1", 320, (1, 1), 1)],
            [
                ("branch3x3_1", 384, (1, 1), 1),
                ("branch3x3_2a", 384, (1, 3), 1),
                ("branch3x3_2b", 384, (3, 1), 1),
            ],
            [
                ("branch3x3dbl_1", 448, (1, 1), 1),
                ("branch3x3dbl_2", 384, (3, 3), 1),
                ("branch3x3dbl_3a", 384, (1, 3), 1),
                ("branch3x3dbl_3b", 384, (3, 1), 1),
            ],
            [("branch_pool", 192, (1, 1), 1)],
        ],
        pool=pool,
        forks=("branch3x3_2a", "branch3x3_2b", "branch3x3dbl_3a", "branch3x3dbl_3b"),
    )


class Inception(nn.Module):
    """Pictures to 2,048 features."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Conv(3, 32, (3, 3), 2, pad=False)
        self.Conv2d_2a_3x3 = _Conv(32, 32, (3, 3), 1, pad=False)
        self.Conv2d_2b_3x3 = _Conv(32, 64, (3, 3), 1, pad=True)
        self.Conv2d_3b_1x1 = _Conv(64, 80, (1, 1), 1, pad=False)
        self.Conv2d_4a_3x3 = _Conv(80, 192, (3, 3), 1, pad=False)
        self.Mixed_5b, self.Mixed_5c, self.Mixed_5d = _block_a(192, 32), _block_a(256, 64), _block_a(288, 64)
        self.Mixed_6a = _block_b(288)
        self.Mixed_6b, self.Mixed_6c = _block_c(768, 128), _block_c(768, 160)
        self.Mixed_6d, self.Mixed_6e = _block_c(768, 160), _block_c(768, 192)
        self.Mixed_7a = _block_d(768)
        self.Mixed_7b, self.Mixed_7c = _block_e(1280, "average"), _block_e(2048, "max")

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor]) -> "Inception":
        """Load the published tensors; the classifier and counters among them are left out.

        Raises:
            ValueError: A tensor is missing, unknown or misshaped.
        """
        network = cls()
        expected = {key: value for key, value in network.state_dict().items() if not _is_extra(key)}
        kept = {key: value for key, value in weights.items() if not _is_extra(key)}
        wrong = sorted(set(expected) ^ set(kept)) or [k for k in expected if expected[k].shape != kept[k].shape]
        if wrong:
            raise ValueError(
                f"expected the tensors of pt_inception-2015-12-05, {len(wrong)} are missing, unknown or misshaped, "
                f"such as {wrong[:3]}"
            )
        network.load_state_dict(kept, strict=False)  # the names were compared above; what is left out is not used
        return network.eval().requires_grad_(False)

    @torch.inference_mode()
    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 2048"]:
        """Features of RGB in [-1, 1]; resized bilinearly to 299 pixels without antialiasing, as the original does."""
        x = F.interpolate(image.clamp(-1, 1), size=(_INPUT, _INPUT), mode="bilinear", align_corners=False)
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = F.max_pool2d(x, 3, 2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return x.mean(dim=(2, 3))


def _is_extra(key: str) -> bool:
    return key.startswith(("fc.", "AuxLogits.")) or key.endswith("num_batches_tracked")
