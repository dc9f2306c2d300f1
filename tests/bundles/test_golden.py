"""The released implementation's numbers (tests/reference/README.md), from published files through the command line.

Nothing between a checkpoint and a picture is left out: three files in the published layouts at their published sizes
are imported by `oodinv bundle import`, and the bundle is loaded as any other. `pytest -s` prints the differences.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import weights_rule
from click.testing import CliRunner
from full_size import full_size_shapes
from published import write_released
from torch import Tensor

from flows.cli import main
from oodinv import Edit, Inverter
from oodinv.models.inversion import Inversion

REFERENCE = Path(weights_rule.__file__).parent
CODES, PICTURES = 1e-4, 2e-3
"""Largest difference in float32: convolutions sum in another order, and flows carry it from level to level."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What the bundle gives, beside what it should."""

    golden: dict[str, np.ndarray]
    inversion: Inversion
    plain: Tensor
    edited: Inversion
    offset: Tensor
    """Of the edit, by its direction."""
    offset_by_name: Tensor

    def differences(self, start):
        """By name, the largest difference of every golden array whose name starts so."""
        found = {}
        for name, expected in self.golden.items():
            if name.startswith(start):
                what, _, side = name.partition("_mean")
                ours = self._array(what)
                if side:
                    ours = F.avg_pool2d(ours, ours.shape[-1] // int(side))
                assert ours.shape == expected.shape
                found[name] = (ours - torch.from_numpy(expected)).abs().max().item()
        print(*(f"\n{self.inversion.crop.shape[-1]} px, {name}: {value:.1e}" for name, value in found.items()), end="")
        return found

    def _array(self, what):
        if what.startswith("align_"):
            level = self.inversion.levels[int(what.removeprefix("align_"))]
            return torch.cat([level.flow, level.mask], dim=1)
        return {
            "w_plus": self.inversion.w_plus,
            "plain": self.plain,
            "blended": self.inversion.reconstruction,
            "ood_mask": self.inversion.ood_mask,
            "edited": self.edited.reconstruction,
            "edited_mask": self.edited.ood_mask,
        }[what]


def imported(folder, resolution):
    """The bundle that the command line makes of the three published files of a model."""
    write_released(folder, weights_rule.fill, full_size_shapes(resolution))
    np.save(folder / "direction.npy", weights_rule.direction())
    files = {"generator": "generator.pt", "encoder": "encoder.pt", "decomposition": "net_g.pth"}
    words = [word for part, file in files.items() for word in (f"--{part}", folder / file)]
    words += ["--direction", f"golden={folder / 'direction.npy'}#unit=raw", "--setting", "paper"]
    out = folder / "bundle"
    result = CliRunner().invoke(main, ["bundle", "import", *map(str, words), "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(256, marks=pytest.mark.timeout(600)),
        pytest.param(1024, marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
    ],
)
def found(request, tmp_path_factory):
    resolution = request.param
    folder = tmp_path_factory.mktemp("released")
    try:
        inverter = Inverter.from_bundle(str(imported(folder, resolution)), noise="none")
    finally:
        shutil.rmtree(folder)  # gigabytes, which pytest would keep
    inversion = inverter.invert(torch.from_numpy(weights_rule.photo(resolution))[None])
    edit = [Edit.raw(torch.from_numpy(weights_rule.direction()), 1.0)]
    with np.load(REFERENCE / f"e4e_{resolution}.npz") as arrays:
        golden = dict(arrays)
    return Found(
        golden=golden,
        inversion=inversion,
        plain=inverter.synthesise(inversion.w_plus),
        edited=inverter.edit(inversion, edit),
        offset=inverter.offset(edit).w_plus,
        offset_by_name=inverter.offset([Edit("golden", 1.0)]).w_plus,
    )


def below(limit, differences):
    return bool(differences) and all(value <= limit for value in differences.values())


def test_the_encoder_gives_the_released_codes(found):
    assert below(CODES, found.differences("w_plus"))


def test_the_generator_alone_draws_the_released_picture(found):
    assert below(PICTURES, found.differences("plain"))


def test_every_level_has_the_released_flow_and_mask(found):
    differences = found.differences("align_")
    assert {"align_32", "align_64"} <= differences.keys() and below(PICTURES, differences)


def test_the_reconstruction_is_the_released_one(found):
    assert below(PICTURES, found.differences("blended"))


def test_the_final_mask_is_the_released_one(found):
    assert below(PICTURES, found.differences("ood_mask"))


def test_an_edit_has_the_released_picture_and_mask(found):
    assert below(PICTURES, found.differences("edited"))


def test_a_direction_imported_under_a_name_is_the_same_edit(found):
    assert found.offset.abs().max() > 0
    assert torch.equal(found.offset_by_name, found.offset)
