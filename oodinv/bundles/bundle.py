"""Find, verify, load and save bundles."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file as save_tensors
from torch import Tensor

from oodinv.bundles.remote import fetch_bundle
from oodinv.bundles.spec import BundleError, BundleSpec, EditSpec, parse_spec
from oodinv.models.decomposition import Decomposition
from oodinv.models.encoders import make_encoder
from oodinv.models.identity import IdentityNetwork
from oodinv.models.inversion import InversionModel
from oodinv.models.latents import Latents
from oodinv.models.stylegan2 import Generator
from oodinv.store import DEFAULT_ACCESS, Access
from oodinv.store.s3_uri import is_s3

EMBEDDED = "embedded"
_HERE = Path(__file__).parent
_DOCUMENTS = {"latents": "latents.safetensors", "seen": "seen.json"}


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A verified `bundle.json` and where it lies."""

    spec: BundleSpec
    sha256: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class LoadedBundle:
    """A bundle with its networks in evaluation mode."""

    bundle: Bundle
    model: InversionModel
    directions: Mapping[str, Tensor]
    """Offset per named edit for strength 1, see `EditSpec.space`."""
    identity: IdentityNetwork | None = None
    """Measures whether an edit kept the face's identity; None where the bundle has none."""
    latents: Latents | None = None
    """How portraits' parameters become the generator's latents; None where these are normal."""


def bundle_names() -> list[str]:
    """Names of the bundles that ship with the package."""
    return sorted(path.parent.name for path in _HERE.glob("*/bundle.json"))


def find_bundle(name: str, access: Access = DEFAULT_ACCESS) -> Bundle:
    """Read the spec of a bundle, without its weights; one in a bucket is brought to this machine first.

    Args:
        name: A name (`embedded`), a folder or `s3://bucket/prefix`.
        access: How to reach a bucket.

    Raises:
        BundleError: There is none, or `bundle.json` is damaged.
        StoreError: The bucket's server failed.
    """
    if name in bundle_names():
        folder = _HERE / name
    else:
        folder = fetch_bundle(name, access) if is_s3(name) else Path(name)
    path = folder / "bundle.json"
    if not path.is_file():
        raise BundleError(
            f"no bundle {name!r}: expected one of {bundle_names()} or a folder that holds a bundle.json; or "
            "s3://bucket/prefix"
        )
    raw = path.read_bytes()
    parsed = parse_spec(raw, hashlib.sha256(raw).hexdigest())
    return Bundle(spec=parsed.spec, sha256=parsed.sha256, folder=folder)


def read_weights(bundle: Bundle, file: str, sha256: str) -> dict[str, Tensor]:
    """Read one safetensors file and check its hash; tensors become float32 and must be finite.

    Raises:
        BundleError: Missing, changed, not safetensors, or holding anything but finite floating point numbers.
    """
    path = bundle.folder / file
    if not path.is_file():
        raise BundleError(f"bundle {bundle.spec.name}: {file} is missing: fetch the bundle again")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise BundleError(
            f"bundle {bundle.spec.name}: {file} has sha256 {found[:12]}…, bundle.json says {sha256[:12]}…: "
            "the file was changed or cut off, fetch the bundle again"
        )
    try:
        tensors = load_tensors(data)
    except SafetensorError as error:
        raise BundleError(f"bundle {bundle.spec.name}: {file} is not a safetensors file ({error})") from error
    for key, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise BundleError(
                f"bundle {bundle.spec.name}: {file} must hold floating point numbers, {key!r} is {tensor.dtype}"
            )
    weights = {key: tensor.float() for key, tensor in tensors.items()}
    for key, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise BundleError(f"bundle {bundle.spec.name}: {file} holds NaN or infinite numbers in {key!r}")
    return weights


def load_bundle(name: str, access: Access = DEFAULT_ACCESS) -> LoadedBundle:
    """Load a bundle's networks and directions onto the CPU; see `find_bundle` for the arguments.

    Raises:
        BundleError: Anything about the bundle is not as `bundle.json` says.
    """
    bundle = find_bundle(name, access)
    spec = bundle.spec
    shape = spec.decomposition_config()
    with torch.device("meta"):  # shapes alone: the file's weights take their places without a second copy
        generator = Generator(spec.generator_config())
        encoder = make_encoder(spec.encoder_config())
        decomposition = None if shape is None else Decomposition(shape)
        identity = None if spec.identity is None else IdentityNetwork(spec.identity.config())
    parts = (
        (spec.generator, generator),
        (spec.encoder, encoder),
        (spec.decomposition, decomposition),
        (spec.identity, identity),
    )
    for part, network in parts:
        if part is None or network is None:
            continue
        _load_into(network, read_weights(bundle, part.file, part.sha256), f"bundle {spec.name}: {part.file}")
    directions = read_weights(bundle, spec.directions.file, spec.directions.sha256)
    for edit, what in spec.edits.items():
        wanted = direction_shape(what, generator)
        found = tuple(directions[edit].shape) if edit in directions else None
        if found != wanted:
            raise BundleError(f"bundle {spec.name}: direction {edit!r} must have shape {wanted}, got {found}")
    model = InversionModel(encoder, generator, decomposition).eval().requires_grad_(False)
    latents = None
    if spec.latents is not None:
        latents = _latents(read_weights(bundle, spec.latents.file, spec.latents.sha256), spec)
    return LoadedBundle(
        bundle=bundle,
        model=model,
        directions={edit: directions[edit] for edit in spec.edits},
        identity=None if identity is None else identity.eval().requires_grad_(False),
        latents=latents,
    )


def direction_shape(edit: EditSpec, generator: Generator) -> tuple[int, ...]:
    """The shape of a named edit's tensor."""
    config = generator.config
    if edit.space == "w":
        return (config.style_dim,)
    return (config.num_layers, config.style_dim) if edit.space == "w_plus" else (generator.num_style_channels,)


def _latents(tensors: dict[str, Tensor], spec: BundleSpec) -> Latents:
    try:
        latents = Latents.of_tensors(tensors)
    except ValueError as error:
        raise BundleError(f"bundle {spec.name}: its latents are damaged: {error}") from error
    if len(latents.mean) != spec.generator.z_dim:
        raise BundleError(
            f"bundle {spec.name}: it tells latents of {len(latents.mean)} parameters, its generator takes "
            f"{spec.generator.z_dim}"
        )
    return latents


def _load_into(network: torch.nn.Module, tensors: dict[str, Tensor], what: str) -> None:
    # Counters of batch norm are not weights and are not stored.
    found = network.state_dict()
    counters = {k: torch.zeros_like(v, device="cpu") for k, v in found.items() if k.endswith("num_batches_tracked")}
    expected = {k: v for k, v in found.items() if k not in counters}
    missing, unknown = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    if missing or unknown:
        raise BundleError(f"{what} is of another network: missing {missing[:3]}, unknown {unknown[:3]}")
    for key, tensor in tensors.items():
        if tensor.shape != expected[key].shape:
            raise BundleError(f"{what}: {key} must have shape {tuple(expected[key].shape)}, got {tuple(tensor.shape)}")
    network.load_state_dict(tensors | counters, assign=True)


def save_bundle(
    folder: Path,
    *,
    fields: Mapping[str, Any],
    model: InversionModel,
    directions: Mapping[str, Tensor],
    card: str,
    identity: IdentityNetwork | None = None,
    documents: Mapping[str, bytes] = MappingProxyType({}),
    dtype: torch.dtype = torch.float16,
) -> Bundle:
    """Write a bundle.

    Args:
        folder: Created if needed; files of the same names are replaced.
        fields: `bundle.json` without file names and hashes (those of the parts go under the part's key).
        model: Networks to store.
        directions: Tensor per named edit.
        card: The model card, Markdown.
        identity: Network that measures whether an edit kept the face's identity.
        documents: Files that are stored as they are: `latents`, `seen`.
        dtype: What the weights are stored in; half precision halves the size and changes images by less than one
            grey level in 255.

    Returns:
        The bundle as read back.
    """
    weights: dict[str, Mapping[str, Tensor]] = {
        "generator": model.generator.state_dict(),
        "encoder": model.encoder.state_dict(),
        "directions": directions,
    }
    if model.decomposition is not None:
        weights["decomposition"] = model.decomposition.state_dict()
    if identity is not None:
        weights["identity"] = identity.state_dict()
    return write_bundle(folder, fields=fields, weights=weights, card=card, documents=documents, dtype=dtype)


def write_bundle(
    folder: Path,
    *,
    fields: Mapping[str, Any],
    weights: Mapping[str, Mapping[str, Tensor]],
    card: str,
    documents: Mapping[str, bytes] = MappingProxyType({}),
    dtype: torch.dtype,
) -> Bundle:
    """Write a bundle from weights alone; `save_bundle` says what the arguments are.

    One part at a time is in memory besides the weights themselves.

    Args:
        folder: Where to.
        fields: `bundle.json`.
        weights: By part, as a network's state dict names them.
        card: The model card.
        documents: Files that are stored as they are, by part.
        dtype: What the weights are stored in.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(json.dumps(dict(fields)))
    for name, tensors in weights.items():
        stored = {
            k: v.detach().to(dtype).contiguous() for k, v in tensors.items() if not k.endswith("num_batches_tracked")
        }
        path = folder / f"{name}.safetensors"
        save_tensors(stored, path)
        with open(path, "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        content[name] |= {"file": path.name, "sha256": sha256}
    for name, document in documents.items():
        (folder / _DOCUMENTS[name]).write_bytes(document)
        content[name] = {"file": _DOCUMENTS[name], "sha256": hashlib.sha256(document).hexdigest()}
    (folder / "card.md").write_text(card)
    (folder / "bundle.json").write_text(json.dumps(content, indent=2) + "\n")
    return find_bundle(str(folder))
