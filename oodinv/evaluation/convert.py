"""Published weights of judging networks to safetensors. Nothing in the foreign files is executed.

    python -m oodinv.evaluation.convert lpips alexnet-owt.pth alex.pth --out lpips_alex.safetensors
    python -m oodinv.evaluation.convert inception pt_inception-2015-12-05.pth --out inception.safetensors

LPIPS takes two files: torchvision's classification network (AlexNet or VGG-16) and the linear heads of the LPIPS
package, version 0.1. The weights have licences of their own.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from oodinv.bundles.formats.files import read_checkpoint
from oodinv.evaluation.errors import EvaluationError
from oodinv.metrics.inception import Inception
from oodinv.metrics.lpips import ALEX, VGG, Lpips


def convert_lpips(backbone: Path, heads: Path, out: Path) -> str:
    """Join a classification network and linear heads; the network's name.

    Raises:
        EvaluationError: The files do not hold them.
        BundleError: A file cannot be read safely.
    """
    network, linear = _tensors(backbone), _tensors(heads)
    for shape in (ALEX, VGG):
        expected = Lpips(shape).state_dict()
        renamed = {
            f"backbone.{i}.{part}": network.get(f"features.{number}.{part}")
            for i, number in enumerate(shape.published)
            for part in ("weight", "bias")
        }
        for i in range(len(shape.stages)):
            head = linear.get(f"lin{i}.model.1.weight")
            renamed[f"heads.{i}"] = None if head is None else head.flatten()
        ready = {key: value.float().contiguous() for key, value in renamed.items() if value is not None}
        if {key: value.shape for key, value in ready.items()} == {k: v.shape for k, v in expected.items()}:
            save_file(ready, out, metadata={"network": f"lpips-0.1-{shape.name}"})
            return shape.name
    raise EvaluationError(
        f"{backbone.name} and {heads.name}: expected torchvision's AlexNet or VGG-16 (features.0.weight, …) and the "
        f"LPIPS heads of the same network (lin0.model.1.weight, …), got {sorted(network)[:3]} and {sorted(linear)[:3]}"
    )


def convert_inception(weights: Path, out: Path) -> None:
    """Keep what the features need.

    Raises:
        EvaluationError: The file holds another network.
        BundleError: The file cannot be read safely.
    """
    try:
        network = Inception.from_weights(_tensors(weights))
    except ValueError as error:
        raise EvaluationError(f"{weights.name}: {error}") from error
    kept = {key: value for key, value in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    save_file({key: value.contiguous() for key, value in kept.items()}, out, metadata={"network": "fid-inception"})


def _tensors(path: Path) -> Mapping[str, Tensor]:
    content = read_checkpoint(path).content
    if not isinstance(content, Mapping):
        raise EvaluationError(f"{path.name}: expected a state dict, got {type(content).__name__}")
    return {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=["lpips", "inception"])
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if len(arguments.files) != (2 if arguments.network == "lpips" else 1):
        parser.error("lpips takes two files, the backbone and the heads; inception takes one")
    if arguments.network == "lpips":
        convert_lpips(arguments.files[0], arguments.files[1], arguments.out)
    else:
        convert_inception(arguments.files[0], arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
