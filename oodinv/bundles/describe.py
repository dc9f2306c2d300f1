"""A bundle for people: what it is, and whether it works."""

import torch

from oodinv.bundles.bundle import find_bundle
from oodinv.bundles.inverter import Inverter
from oodinv.bundles.spec import BundleError


def describe_bundle(name: str) -> str:
    """Spec and card as text.

    Raises:
        BundleError: There is no such bundle.
    """
    bundle = find_bundle(name)
    spec = bundle.spec
    lines = [
        f"{spec.name} {spec.version}, setting {spec.setting}, {spec.resolution} px, licence {spec.licence}",
        f"sha256 {bundle.sha256}",
        f"encoder {spec.encoder.kind}",
        "no decomposition: nothing is aligned, nothing kept from the photo"
        if spec.decomposition is None
        else f"levels {list(spec.decomposition.levels)}, {spec.decomposition.num_iterations} alignment rounds",
        "no identity network: id_similarity stays empty"
        if spec.identity is None
        else f"identity network, {spec.identity.input_resolution} px",
        "edits: unit; safe range; space and rows of w_plus" if spec.edits else "no edits",
    ]
    for edit, what in spec.edits.items():
        low, high = what.safe_range
        where = what.space if what.space == "style" else f"{what.space} {what.layers[0]}:{what.layers[1]}"
        lines.append(f"  {edit}: {what.unit}; safe from {low:g} to {high:g}; {where}")
    card = bundle.folder / spec.card
    return "\n".join(lines) + ("\n\n" + card.read_text() if card.is_file() else "")


def verify_bundle(name: str) -> str:
    """Check hashes, shapes and numbers, and run the model once.

    Returns:
        One line.

    Raises:
        BundleError: With what is wrong.
    """
    inverter = Inverter.from_bundle(name)
    size = inverter.resolution
    inversion = inverter.invert(torch.zeros(1, 3, size, size))
    if not torch.isfinite(inversion.reconstruction).all():
        raise BundleError(f"bundle {name}: the model gives NaN or infinite numbers for a grey crop")
    files = len(inverter.bundle.spec.files)
    return (
        f"{inverter.bundle.spec.name} {inverter.bundle.spec.version} is whole: {files} files, {inverter.bundle.sha256}"
    )
