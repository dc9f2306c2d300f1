"""Published files to a bundle."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from oodinv.bundles.bundle import Bundle, find_bundle, write_bundle
from oodinv.bundles.describe import verify_bundle
from oodinv.bundles.fields import decomposition_fields, encoder_fields, generator_fields
from oodinv.bundles.formats import released
from oodinv.bundles.formats.card import LICENCE, provenance, write_card
from oodinv.bundles.formats.choose import Chosen, choose_parts
from oodinv.bundles.formats.latent_avg import NUM_SAMPLES, fold, mean_of_samples
from oodinv.bundles.formats.named_directions import read_directions
from oodinv.bundles.formats.parts import DecompositionPart, EncoderPart, GeneratorPart, IdentityPart, Role, Setting
from oodinv.bundles.spec import FORMAT, BundleError
from oodinv.bundles.whole_folder import whole_folder
from oodinv.models.encoding import check_fit


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What to import, and what no file says."""

    out: Path
    """Folder to write; must not exist, or be empty."""
    setting: Setting
    """`paper` gives the numbers of the released code, and a released decomposition needs it; see `Choices`."""
    files: Sequence[Path] = ()
    """Recognised by what is in them."""
    given: Mapping[Role, Path] = field(default_factory=dict)
    """Files for one part each."""
    directions: Mapping[str, str] = field(default_factory=dict)
    """By name, see `oodinv.edits.directions.read_direction`."""
    num_iterations: int | None = None
    """Alignment rounds; None = as the released training."""
    max_displacement: float | None = None
    """Largest flow; None = as the released training."""
    name: str | None = None
    """None = the folder's."""
    licence: str | None = None


def import_bundle(request: ImportRequest, say: Callable[[str], None] = lambda line: None) -> Bundle:
    """Convert published files to a bundle, load it back and run it once.

    The folder appears whole or not at all.

    Args:
        request: What to import.
        say: Told one line per step.

    Raises:
        BundleError: A file is not what it should be, the parts do not fit, or the folder cannot be written.
        EditError: A direction cannot be used.
    """
    with whole_folder(request.out) as unfinished:
        _write(request, unfinished, say)
        say("loading it back and running it once")
        verify_bundle(str(unfinished))
    return find_bundle(str(request.out))


def _write(request: ImportRequest, folder: Path, say: Callable[[str], None]) -> None:
    """Everything that holds the files' weights: they are let go before the bundle is loaded back."""
    chosen = choose_parts(request.files, request.given, request.setting, say)
    facts: list[str] = []
    generator, encoder = _generator_and_encoder(chosen)
    latent_avg, fact = _mean_style(chosen, generator, say)
    facts += [*generator.notes, *encoder.notes, *fact]
    encoder_weights: Mapping[str, Tensor] = encoder.weights
    if encoder.absolute:
        encoder_weights = fold(encoder, latent_avg)
        facts.append("The encoder gives styles, not offsets: `latent_avg` was subtracted from the biases of its heads.")
    weights: dict[str, Mapping[str, Tensor]] = {
        "generator": {**generator.weights, "latent_avg": latent_avg[None]},
        "encoder": encoder_weights,
    }
    fields: dict[str, Any] = {
        "format": FORMAT,
        "name": request.name or request.out.absolute().name,
        "version": "1",
        "setting": request.setting,
        "resolution": generator.config.resolution,
        "generator": generator_fields(generator.config),
        "encoder": encoder_fields(encoder.config),
        "decomposition": None,
        "identity": None,
        "licence": request.licence or LICENCE,
        "provenance": provenance(chosen.sources),
    }
    decomposition: DecompositionPart | None = chosen.part("decomposition")
    if decomposition is None:
        if request.num_iterations is not None or request.max_displacement is not None:
            raise BundleError("--rounds and --displacement are about a decomposition, and no file holds one")
        facts.append("No decomposition: nothing is aligned and nothing kept from the photo.")
        say("no file holds a decomposition: nothing will be aligned, nothing kept from the photo")
    else:
        fields["decomposition"], weights["decomposition"] = _decomposition(
            request, decomposition, generator, encoder, chosen.where("decomposition")
        )
    identity: IdentityPart | None = chosen.part("identity")
    if identity is not None:
        fields["identity"], weights["identity"] = asdict(identity.config), identity.weights
    directions = read_directions(request.directions, generator)
    fields["directions"], weights["directions"] = directions.fields, directions.tensors
    for name, edit in directions.fields["edits"].items():
        say(f"edit {name}: {edit['unit']}")
    card = write_card(fields["name"], chosen.sources, setting=request.setting, licence=fields["licence"], facts=facts)
    count = sum(tensor.numel() for part in weights.values() for tensor in part.values())
    say(f"writing {count / 1e6:.1f} million weights in float32 ({count * 4 / 1e9:.2f} GB)")
    write_bundle(folder, fields=fields, weights=weights, card=card, dtype=torch.float32)


def _generator_and_encoder(chosen: Chosen) -> tuple[GeneratorPart, EncoderPart]:
    """The parts no bundle is without, fitting each other."""
    generator, encoder = chosen.part("generator"), chosen.part("encoder")
    for role, part in (("generator", generator), ("encoder", encoder)):
        if part is None:
            raise BundleError(
                f"no file holds {'an' if role == 'encoder' else 'a'} {role}: a bundle needs a generator and an encoder "
                f"made for it. Add --{role} FILE; an e4e or pSp checkpoint has both"
            )
    try:
        check_fit(encoder.config, generator.config)
    except ValueError as error:
        raise BundleError(
            f"encoder {chosen.where('encoder')} and generator {chosen.where('generator')} "
            f"({generator.config.resolution} pixels): {error}"
        ) from error
    return generator, encoder


def _mean_style(chosen: Chosen, generator: GeneratorPart, say: Callable[[str], None]) -> tuple[Tensor, list[str]]:
    if chosen.latent_avg is not None:
        if len(chosen.latent_avg) != generator.config.style_dim:
            raise BundleError(
                f"latent_avg must have {generator.config.style_dim} numbers for this generator, got "
                f"{len(chosen.latent_avg)}"
            )
        return chosen.latent_avg, []
    say(f"no file holds latent_avg: it is computed as the mean of {NUM_SAMPLES} mapped latents")
    return mean_of_samples(generator), [
        f"No file holds `latent_avg`: it is the mean of {NUM_SAMPLES} mapped latents from a fixed seed."
    ]


def _decomposition(
    request: ImportRequest, part: DecompositionPart, generator: GeneratorPart, encoder: EncoderPart, what: str
) -> tuple[dict[str, Any], Mapping[str, Tensor]]:
    if request.setting != "paper":
        raise BundleError(
            f"{what} is a released decomposition, whose weights give their pictures only in the released setting: "
            f"expected --setting paper, got {request.setting}"
        )
    rounds = released.ROUNDS if request.num_iterations is None else request.num_iterations
    displacement = released.DISPLACEMENT if request.max_displacement is None else request.max_displacement
    if rounds < 1 or not (math.isfinite(displacement) and 0 < displacement <= 2):
        raise BundleError(
            f"expected at least one alignment round and a displacement in (0, 2], got {rounds} and {displacement:g}"
        )
    config, weights = released.fit(
        part, generator.config, encoder.config, num_iterations=rounds, max_displacement=displacement, what=what
    )
    return decomposition_fields(config), weights
