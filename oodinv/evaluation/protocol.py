"""How numbers were measured: printed with every table, since numbers of different protocols cannot be compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oodinv.bundles.inverter import Inverter
from oodinv.evaluation.counterfactuals import LEAST_MOVED
from oodinv.evaluation.draws import FROM_PORTRAITS, NORMAL
from oodinv.evaluation.generator import SWD_PICTURES
from oodinv.evaluation.independence import fact, independence, seen_before
from oodinv.evaluation.judges import Judges
from oodinv.evaluation.pictures import CEILING_DB
from oodinv.evaluation.settings import Settings
from oodinv.metrics.ssim import largest_num_scales
from oodinv.training.data import Dataset


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Facts in the order they are told."""

    facts: Mapping[str, str]

    def markdown(self) -> str:
        """A list."""
        return "\n".join(f"* {name}: {text}" for name, text in self.facts.items())


def make_protocol(
    bundles: Mapping[str, Inverter],
    datasets: Mapping[str, tuple[Path | None, Dataset]],
    settings: Settings,
    judges: Judges,
    machine: Mapping[str, str],
) -> Protocol:
    """Everything a reader needs to repeat or to doubt the numbers."""
    facts: dict[str, str] = {}
    for name, (folder, data) in datasets.items():
        facts[f"dataset {name}"] = _dataset(folder, data, settings)
    for name, inverter in bundles.items():
        spec = inverter.bundle.spec
        facts[f"bundle {name}"] = (
            f"{spec.name} {spec.version}, {spec.setting}, {spec.resolution} px, sha256 of bundle.json "
            f"{inverter.bundle.sha256}, composition {settings.composition or spec.edit_composition}, MS-SSIM at "
            f"{largest_num_scales(spec.resolution)} scales, identity network "
            f"{'none' if spec.identity is None else 'sha256 ' + spec.identity.sha256}"
            + "".join(
                f"; {text}" for text in seen_before(inverter.bundle, {n: data for n, (_, data) in datasets.items()})
            )
        )
    facts["preset"] = f"{settings.preset}; noise fixed, float32 without TF32"
    facts["resize"] = (
        "stored crops averaged over areas to each bundle's resolution (and to multiples of it for photos); faces are "
        "not aligned again"
    )
    facts["file format"] = (
        f"pictures rounded to 8 bits as in PNG, the truth not; PSNR at most {CEILING_DB:.2f} dB, the noise of rounding"
    )
    facts["regions"] = (
        "OOD = accessory or background, by the true masks; face = the person (head, hair, body) outside accessories; "
        "accessory, for masks = pixels inside the silhouette only"
    )
    facts["masks"] = (
        "AUROC over all pixels of all samples; IoU at 0.5, mean over the images with something to find; ECE in 15 "
        "bins. Error map = the plain encoder's absolute error blurred 5x5, its IoU at the best of 20 thresholds chosen "
        "on these very samples; everything = 1 everywhere; true background = 1 - silhouette"
    )
    facts["edits"] = (
        f"first {settings.edit_count} samples of each dataset; error = mean absolute, of 255; each sample is edited by "
        "as much as its own counterfactual really moved (the plausible range ends somewhere), those that moved less "
        f"than {LEAST_MOVED:g} of what was asked are left out and counted; strengths of judged edits "
        f"{', '.join(f'{s:+g}' for s in sorted(settings.strengths))}"
    )
    facts["generator"] = (
        f"first {settings.generator_count} crops without accessory, as many drawn with seed {settings.seed}, no "
        f"truncation; {FROM_PORTRAITS}, where the bundle tells how parameters become latents, else {NORMAL}; sliced "
        f"Wasserstein x 1000, of the first {min(SWD_PICTURES, settings.generator_count)}: 128 patches of 7x7 for each "
        "picture and level, 4 x 128 directions"
    )
    for name in ("lpips", "inception", "regressor", "detector"):
        given = getattr(judges, name) is not None
        facts[name] = judges.told.get(name, "given, without a file" if given else "none given")
    if judges.regressor is not None:
        for name, inverter in bundles.items():
            facts[fact(name)] = independence(inverter.bundle.spec, judges)
    facts |= machine
    return Protocol(facts=facts)


def _dataset(folder: Path | None, data: Dataset, settings: Settings) -> str:
    used = len(data) if settings.count is None else min(settings.count, len(data))
    kinds = sorted({kind for kind in data.kinds if kind})
    total = "" if settings.count is not None else f" of {len(data)}"  # with a count, no more was looked at
    parts = [f"first {used}{total} crops of {data.size} px"]
    parts += [f"split {split}" for split in _split(folder)]
    parts.append(f"accessories {', '.join(kinds)}" if kinds else "no accessories known")
    parts.append("true masks" if data.has_masks else "no masks")
    if data.left_out:
        parts.append(f"{len(data.left_out)} broken or duplicate samples left out")
    return ", ".join(parts)


def _split(folder: Path | None) -> Sequence[str]:
    """What `dataset.json` says."""
    if folder is None:
        return []
    try:
        told = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    split = told.get("split") if isinstance(told, dict) else None
    if split == "train":
        return ["train: NOT HELD OUT, networks may have been trained on these very pictures"]
    return [str(split)[:20]] if split else []
