"""A bundle of networks that were trained: each part from the folder of its training, or from another bundle."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from oodinv.models.decomposition import Composition, Decomposition, DecompositionConfig
from oodinv.models.encoders import AnyEncoderConfig
from oodinv.models.encoding import CropEncoder, check_fit
from oodinv.models.inversion import InversionModel
from oodinv.models.stylegan2 import Generator
from oodinv.training.bundle_card import Part, row_of, write_card
from oodinv.training.errors import TrainingError
from oodinv.training.fingerprint import network_digest
from oodinv.training.record import Record
from oodinv.training.seen import Seen
from oodinv.training.trained_parts import (
    decomposition_shape,
    find_decomposition,
    find_encoder,
    find_generator,
    is_bundle,
    read_latents,
)

PARTS = ("generator", "encoder", "decomposition", "directions")
_DTYPES = {"float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """What to put together."""

    out: Path
    """Folder to write; must not exist, or be empty."""
    parts: Mapping[str, Path]
    """Folders by part; a bundle needs at least a generator and an encoder."""
    name: str
    version: str = "1"
    setting: str = "improved"
    licence: str
    provenance: str
    composition: Composition | None = None
    """The default for edits; None = as the decomposition was trained."""
    labels: Sequence[str] = ()
    """Directions to take; empty = all."""
    dtype: str = "float16"
    """What weights are stored in: float16 or float32."""
    note: str = ""
    """Text for the card's beginning."""
    limits: str = ""
    """What it is not good for, for the card."""


@dataclass(frozen=True, kw_only=True)
class _Directions:
    edits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    regressor_sha256: str | None = None


def build_bundle(request: BuildRequest, say: Callable[[str], None] = lambda line: None) -> Any:
    """Write a bundle, load it back and run it once; the folder appears whole or not at all.

    Args:
        request: What to put together.
        say: Told one line per step.

    Returns:
        The `Bundle`.

    Raises:
        TrainingError: A part is missing, cannot be read, or was trained against other networks than those given.
        BundleError: The folder cannot be written.
    """
    # Only here: bundles need more than a bare training machine has.
    from oodinv.bundles.bundle import find_bundle, save_bundle
    from oodinv.bundles.describe import verify_bundle
    from oodinv.bundles.fields import decomposition_fields, encoder_fields, generator_fields
    from oodinv.bundles.spec import FORMAT
    from oodinv.bundles.whole_folder import whole_folder

    _check(request)
    folders = dict(request.parts)
    generator, encoder = find_generator(folders["generator"]), find_encoder(folders["encoder"])
    try:
        check_fit(encoder.config, generator.config)
    except ValueError as error:
        raise TrainingError(f"the encoder in {folders['encoder']} is not for this generator: {error}") from error
    decomposition = _decomposition(folders, generator, encoder, request.composition)
    directions = _directions(folders.get("directions"), request.labels)
    records = {part: Record.read(folder, part) for part, folder in folders.items() if not is_bundle(folder)}
    _check_together(records, {"generator": generator, "encoder": encoder})
    assert isinstance(encoder.config, AnyEncoderConfig)
    fields: dict[str, Any] = {
        "format": FORMAT,
        "name": request.name,
        "version": request.version,
        "setting": request.setting,
        "resolution": generator.config.resolution,
        "generator": generator_fields(generator.config),
        "encoder": encoder_fields(encoder.config),
        "decomposition": None if decomposition is None else decomposition_fields(decomposition.config),
        "directions": {"edits": directions.edits, "regressor_sha256": directions.regressor_sha256},
        "licence": request.licence,
        "provenance": request.provenance,
    }
    latents, seen = read_latents(folders["generator"]), _seen(folders)
    documents = {} if latents is None else {"latents": latents.to_bytes()}
    if seen is not None:
        documents |= {"seen": seen.to_bytes()}
    else:
        say("not every folder tells what was seen in its training: the bundle will not tell either")
    networks = {"generator": generator, "encoder": encoder, "decomposition": decomposition}
    told = [
        Part(
            name=name,
            parameters=_parameters(networks.get(name)),
            record=records.get(name),
            told=_told_before(folders[name], name),
        )
        for name in PARTS
        if name in folders
    ]
    card = write_card(
        request.name, told, seen, resolution=generator.config.resolution, dtype=request.dtype,
        licence=request.licence, provenance=request.provenance, note=request.note, limits=request.limits,
    )  # fmt: skip
    with whole_folder(request.out) as unfinished:
        save_bundle(
            unfinished,
            fields=fields,
            model=InversionModel(encoder, generator, decomposition),
            directions=directions.tensors,
            card=card,
            documents=documents,
            dtype=_DTYPES[request.dtype],
        )
        say("loading it back and running it once")
        verify_bundle(str(unfinished))
    return find_bundle(str(request.out))


def _check(request: BuildRequest) -> None:
    missing = [part for part in ("generator", "encoder") if part not in request.parts]
    unknown = sorted(set(request.parts) - set(PARTS))
    if missing or unknown:
        raise TrainingError(
            f"a bundle needs a generator and an encoder, and may have a decomposition and directions: "
            f"{', '.join(missing) or 'none'} missing, {', '.join(unknown) or 'none'} unknown"
        )
    if request.dtype not in _DTYPES:
        raise TrainingError(f"weights are stored in {' or '.join(_DTYPES)}, got {request.dtype!r}")


def _decomposition(
    folders: Mapping[str, Path], generator: Generator, encoder: CropEncoder, composition: Composition | None
) -> Decomposition | None:
    if "decomposition" not in folders:
        return None
    found = find_decomposition(folders["decomposition"])
    config = found.config
    shape: DecompositionConfig = decomposition_shape(
        generator, encoder, config.levels, num_iterations=config.num_iterations,
        max_displacement=config.max_displacement, width=config.width, choices=config.choices,
        calibration=config.calibration,
    )  # fmt: skip
    if shape != config:
        raise TrainingError(
            f"the decomposition in {folders['decomposition']} compares {list(config.generator_channels)} channels of "
            f"the generator and {list(config.encoder_channels)} of the encoder, these have "
            f"{list(shape.generator_channels)} and {list(shape.encoder_channels)}: it was trained against others"
        )
    if composition is not None:
        found.config = replace(config, choices=replace(config.choices, edit_composition=composition))
    return found


def _directions(folder: Path | None, labels: Sequence[str]) -> _Directions:
    found = _Directions() if folder is None else _of_bundle(folder) if is_bundle(folder) else _of_training(folder)
    missing = [label for label in labels if label not in found.edits]
    if missing:
        raise TrainingError(f"no direction {', '.join(missing)}: there are {', '.join(found.edits) or 'none'}")
    wanted = list(labels) or list(found.edits)
    return replace(
        found,
        edits={name: found.edits[name] for name in wanted},
        tensors={name: found.tensors[name] for name in wanted},
    )


def _of_training(folder: Path) -> _Directions:
    try:
        told = json.loads((folder / "directions.json").read_bytes())
        edits = {
            name: {key: value for key, value in edit.items() if key != "gains"} for name, edit in told["edits"].items()
        }
        tensors = safetensors.torch.load_file(folder / "directions.safetensors")
        return _Directions(
            edits=edits,
            tensors={name: tensors[name] for name in edits},
            regressor_sha256=told.get("regressor_sha256"),
        )
    except FileNotFoundError as error:
        raise TrainingError(
            f"{folder} holds no directions: expected directions.json and directions.safetensors, which `oodinv train "
            "directions` writes when it has ended"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise TrainingError(f"the directions in {folder} cannot be read: {str(error)[:200]}") from error


def _of_bundle(folder: Path) -> _Directions:
    from oodinv.bundles.bundle import load_bundle

    loaded = load_bundle(str(folder))
    spec = loaded.bundle.spec.directions
    edits = {name: edit.model_dump() for name, edit in spec.edits.items()}
    return _Directions(edits=edits, tensors=loaded.directions, regressor_sha256=spec.regressor_sha256)


def _check_together(records: Mapping[str, Record | None], networks: Mapping[str, torch.nn.Module]) -> None:
    """Refuse networks of the right shape that were trained against others."""
    digests = {name: network_digest(network) for name, network in networks.items()}
    for part, record in records.items():
        for name, digest in digests.items():
            against = None if record is None else record.fingerprint.get(name)
            if isinstance(against, str) and against != digest:
                raise TrainingError(
                    f"this {part} was trained against another {name} ({against}…) than the one given ({digest}…): "
                    f"name the {name}'s folder that was its input"
                )


def _seen(folders: Mapping[str, Path]) -> Seen | None:
    """All that any part has seen; None when it is not known of one."""
    each = [Seen.read(folder, "" if is_bundle(folder) else part) for part, folder in folders.items()]
    known = [seen for seen in each if seen is not None]
    return Seen.together(known) if len(known) == len(each) else None


def _told_before(folder: Path, part: str) -> str | None:
    """What a bundle's card says of how a part of it was made."""
    if not is_bundle(folder):
        return None
    from oodinv.bundles.bundle import find_bundle

    found = find_bundle(str(folder))
    path = found.folder / found.spec.card
    return row_of(path.read_text(encoding="utf-8"), part) if path.is_file() else None


def _parameters(network: torch.nn.Module | None) -> int:
    return 0 if network is None else sum(parameter.numel() for parameter in network.parameters())
