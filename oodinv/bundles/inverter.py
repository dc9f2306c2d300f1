"""The public face of the method: crops in, inversions and edits out."""

import logging
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from oodinv.bundles.bundle import LoadedBundle, load_bundle
from oodinv.bundles.offset import Offset
from oodinv.bundles.shape import generator_shape
from oodinv.edits import Edit, EditError
from oodinv.edits.raw import RawEdit
from oodinv.edits.shape import Space
from oodinv.models.accelerate import accelerate, compile_layers
from oodinv.models.decomposition import Composition
from oodinv.models.inversion import Inversion
from oodinv.models.precision import Precision, computing, has_bfloat16
from oodinv.models.stylegan2 import NoiseMode
from oodinv.store import DEFAULT_ACCESS, Access

logger = logging.getLogger(__name__)

Preset = Literal["full", "fast"]
"""`full`: as the bundle was trained; `fast`: one alignment round (decision 015 has its cost)."""


class Inverter:
    """A loaded bundle on a device.

    Example:
        inverter = Inverter.from_bundle("embedded")
        inversion = inverter.invert(crops)
        smiling = inverter.edit(inversion, [Edit("smile", 1.5)])
        moved = inverter.edit(inversion, [Edit.raw(direction, 2.0), Edit("age", -1)])
    """

    def __init__(
        self,
        loaded: LoadedBundle,
        *,
        device: str | torch.device = "cpu",
        noise: NoiseMode = "fixed",
        precision: Precision = "float32",
        preset: Preset = "full",
        compile: bool = False,
    ):
        """See `from_bundle`; the bundle's model is moved to the device and prepared there."""
        self.bundle = loaded.bundle
        self.device = torch.device(device)
        self.noise: NoiseMode = noise
        self.precision: Precision = precision
        self._model = loaded.model.to(self.device)
        if self.device.type == "cuda":
            for parameter in self._model.parameters():
                if parameter.ndim == 4:  # what tensor cores read
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        spec = self.bundle.spec.decomposition
        if self._model.decomposition is not None and spec is not None:
            self._model.decomposition.use_rounds(1 if preset == "fast" else spec.num_iterations)
        if precision != "float32" and not has_bfloat16(self.device):
            logger.warning("%s has no bfloat16 instructions: float32 is much faster there", self.device)
        if compile:
            compile_layers(self._model)
        else:
            accelerate(self._model)
        self._directions = {name: tensor.to(self.device) for name, tensor in loaded.directions.items()}
        self._identity = None if loaded.identity is None else loaded.identity.to(self.device)
        self.latents = loaded.latents
        """How portraits' parameters become the generator's latents; None where these are normal."""
        self._shape = generator_shape(self._model.generator)

    @classmethod
    def from_bundle(
        cls,
        name: str,
        *,
        device: str | torch.device = "cpu",
        noise: NoiseMode = "fixed",
        precision: Precision = "float32",
        preset: Preset = "full",
        compile: bool = False,
        access: Access = DEFAULT_ACCESS,
    ) -> "Inverter":
        """Load a bundle by name, folder or bucket.

        Args:
            name: `embedded`, a folder that holds a `bundle.json`, or `s3://bucket/prefix`.
            device: Where to compute.
            noise: `fixed` gives the same picture every time.
            precision: `bfloat16` is for devices that compute in it, see `models.precision`.
            preset: `fast` aligns in one round instead of the bundle's own number.
            compile: Compile the layers, see `models.accelerate.compile_layers`.
            access: How to reach a bucket.

        Raises:
            BundleError: There is no such bundle or it is damaged.
            StoreError: The bucket's server failed.
        """
        return cls(
            load_bundle(name, access), device=device, noise=noise, precision=precision, preset=preset, compile=compile
        )

    @property
    def setting(self) -> str:
        """`paper` or `improved`."""
        return self.bundle.spec.setting

    @property
    def resolution(self) -> int:
        """Side of the crops in pixels."""
        return self.bundle.spec.resolution

    def invert(self, crops: Float[Tensor, "batch 3 size size"], *, plain: bool = False) -> Inversion:
        """Invert aligned crops in [-1, 1] of the bundle's resolution; `plain`: also draw the generator alone."""
        with computing(self.device, self.precision):
            return self._model.invert(crops.to(self.device), noise=self.noise, plain=plain)

    def edit(
        self,
        inversion: Inversion,
        edits: Sequence[Edit | RawEdit],
        composition: Composition | None = None,
        *,
        shares: Float[Tensor, " batch"] | None = None,
    ) -> Inversion:
        """Apply one or several edits at once; the encoder is not run again.

        Args:
            inversion: What `invert` returned.
            edits: Named ones and tensors (`Edit.raw`), in any order.
            composition: Where flows and masks come from, see `Choices.edit_composition`; None = the bundle's default.
            shares: How much of the edits each face gets; None = 1.

        Raises:
            EditError: The bundle does not have such an edit, or a tensor does not fit its generator.
        """
        with computing(self.device, self.precision):
            offset = self.offset(edits)
            w_plus, style = offset.w_plus, offset.style
            if shares is not None:
                share = shares.to(self.device, torch.float32)
                w_plus = share[:, None, None] * w_plus
                style = None if style is None else share[:, None] * style
            return self._model.edit(inversion, w_plus, style_offset=style, composition=composition, noise=self.noise)

    def synthesise(self, w_plus: Float[Tensor, "batch layers style_dim"]) -> Float[Tensor, "batch 3 size size"]:
        """The generator alone, without alignment."""
        with computing(self.device, self.precision):
            return self._model.generator.synthesise(w_plus.to(self.device), noise=self.noise)

    def draw(self, z: Float[Tensor, "batch z_dim"]) -> Float[Tensor, "batch 3 size size"]:
        """Draw latents: mapping and generator, without truncation.

        Args:
            z: Standard normal for a face as likely as the training's.

        Raises:
            ValueError: The bundle's generator came without its mapping.
        """
        if not self.can_draw:
            raise ValueError(f"bundle {self.bundle.spec.name!r} has no mapping: nothing can be drawn from latents")
        with computing(self.device, self.precision):
            w = self._model.generator.mapping(z.to(self.device))
        return self.synthesise(w[:, None].expand(-1, self._shape.num_layers, -1))

    @property
    def can_draw(self) -> bool:
        """Whether the generator's mapping is there."""
        return self.bundle.spec.generator.num_mapping_layers > 0

    @property
    def compares_identities(self) -> bool:
        """Whether the bundle has an identity network."""
        return self._identity is not None

    @torch.inference_mode()
    def similarity(
        self, a: Float[Tensor, "batch 3 size size"], b: Float[Tensor, "batch 3 size size"]
    ) -> Float[Tensor, " batch"] | None:
        """How much two faces are one person's, by the bundle's identity network.

        Args:
            a: FFHQ-aligned crops, RGB in [-1, 1].
            b: As many others.

        Returns:
            Cosines, 1 for the same picture; None where the bundle has no identity network.
        """
        if self._identity is None:
            return None
        return self._identity.similarity(a.to(self.device), b.to(self.device))

    def offset(self, edits: Sequence[Edit | RawEdit]) -> Offset:
        """What a set of edits adds to the latents: the sum of strength times direction over all of them.

        Raises:
            EditError: As `edit`.
        """
        shape = self._shape
        w_plus = torch.zeros(1, shape.num_layers, shape.style_dim, device=self.device)
        style = None
        for edit in edits:
            space, (first, last), direction = self._direction(edit)
            step = edit.strength * direction
            if space == "style":
                style = step[None] if style is None else style + step
            else:
                w_plus[:, first:last] += step if space == "w" else step[first:last]
        return Offset(w_plus=w_plus, style=style)

    def _direction(self, edit: Edit | RawEdit) -> tuple[Space, tuple[int, int], Tensor]:
        if isinstance(edit, RawEdit):
            space, layers, direction = edit.fitted(self._shape)
            return space, layers, direction.to(self.device, torch.float32)
        self.check(edit)
        spec = self.bundle.spec.edits[edit.name]
        return spec.space, spec.layers, self._directions[edit.name]

    def check(self, edit: Edit) -> None:
        """Refuse an edit the bundle does not have.

        Raises:
            EditError: With the names it has.
        """
        if edit.name not in self.bundle.spec.edits:
            raise EditError(
                f"bundle {self.bundle.spec.name!r} has no edit {edit.name!r}: it has {sorted(self.bundle.spec.edits)}"
            )
