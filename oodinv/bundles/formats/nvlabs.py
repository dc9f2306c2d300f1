"""StyleGAN2 generators as NVlabs' PyTorch code pickles them: stylegan2-ada-pytorch and the StyleGAN2 of stylegan3.

Layout: a pickle of `{"G": …, "D": …, "G_ema": module, …}`; `G_ema` holds `mapping` and `synthesis`, and that one block
`b4`, `b8`, … per resolution with `conv0` (the up-convolution), `conv1` and `torgb`.

How their numbers become ours, every formula read in their code:

* Linear layers: y = x (W g)ᵀ + b m with g = m / sqrt(inputs), W drawn with deviation 1 / m; m = 0.01 in the mapping, 1
  in the affine layers. The same as `EqualLinear`: nothing changes.
* Modulated 3x3 convolutions: kernels W s / sqrt(Σ (W s)² + 1e-8), without an equalised scale. Ours have c W in place of
  W, with c = 1 / sqrt(9 inputs). The norm cancels c but for the 1e-8, a relative difference of at most 9 inputs · 1e-8
  over Σ (W s)², which is about 9 inputs: below 1e-7. Nothing changes.
* `conv0` convolves what zeros were put between, by a transposed convolution of stride 2 with W as stored
  (`flip_weight=False` there becomes `flip_weight=True` inside, which does not flip). So does ours: nothing is flipped.
  It was flipped once, when the TensorFlow networks were converted to either layout.
* The low-pass after it is outer([1, 3, 3, 1]) / 64 with gain 4; images are upsampled by the same, padding (2, 1).
* `torgb`: 1x1 kernels W · (s / sqrt(inputs)), the factor on the style; ours has it on the kernel. Nothing changes.
* Noise: noise_const · noise_strength, before bias and leaky ReLU with gain sqrt(2): the same.
* Some networks clamp activations at ±256 for half precision; in float32 a trained network does not come near.
"""

from typing import Any

from torch import Tensor

from oodinv.bundles.formats.generators import check_kernels, generator_weights, shape_of, with_noise
from oodinv.bundles.formats.parts import GeneratorPart
from oodinv.bundles.formats.persistence import PickledModule
from oodinv.bundles.formats.table import Numbers, Row, Shape, axis, count, to_ours
from oodinv.bundles.spec import BundleError
from oodinv.safe_pickle import PickleRefused


def _block(layer: int) -> Numbers:
    """Our layers are numbered through; theirs are two per resolution, the first of 4x4 being left out."""
    return 4 * 2 ** ((layer + 1) // 2), (layer + 1) % 2


def _resolution(number: int) -> Numbers:
    return (4 * 2**number,)


def _without_sample(shape: Shape) -> Shape:
    return shape[1:]


def _image(shape: Shape) -> Shape:
    return shape[2:]


ROWS = (
    Row("mapping.fc{}.*", "mapping.layers.{}.*"),
    Row("synthesis.b4.const", "constant", shape=_without_sample),
    Row("synthesis.b{}.conv{}.weight", "convs.{}.weight", number=_block),
    Row("synthesis.b{}.conv{}.bias", "convs.{}.bias", number=_block),
    Row("synthesis.b{}.conv{}.affine.*", "convs.{}.affine.*", number=_block),
    Row("synthesis.b{}.conv{}.noise_strength", "convs.{}.noise_strength", number=_block),
    Row("synthesis.b{}.conv{}.noise_const", "convs.{}.noise", number=_block, shape=_image),
    Row("synthesis.b{}.torgb.affine.*", "to_rgbs.{}.affine.*", number=_resolution),
    Row("synthesis.b{}.torgb.*", "to_rgbs.{}.*", number=_resolution),
)
KERNELS = ("synthesis.b{}.resample_filter", "synthesis.b{}.conv{}.resample_filter")
"""Constants of the layout, checked and dropped."""
DROPPED = (*KERNELS, "mapping.w_avg")


def find_generator(content: Any) -> tuple[PickledModule, bool] | None:
    """The generator in what a pickle holds, and whether it is the average over training, `G_ema`."""
    if isinstance(content, PickledModule):
        return content, True
    networks = dict(content) if isinstance(content, dict) else {}
    for name in ("G_ema", "G"):
        if isinstance(networks.get(name), PickledModule):
            return networks[name], name == "G_ema"
    return None


def read_generator(module: PickledModule, what: str) -> tuple[GeneratorPart, Tensor | None]:
    """Translate a generator of this layout.

    Returns:
        The generator and its running mean of w, where it keeps one.

    Raises:
        BundleError: With what was expected and what came.
    """
    try:
        tensors = module.tensors()
    except PickleRefused as error:
        raise BundleError(f"{what} cannot be read: {error}") from error
    if "synthesis" in module.modules() and "input" in module.modules()["synthesis"].modules():
        raise BundleError(
            f"{what} is a StyleGAN3 (alias-free) generator, whose layers are others: only the StyleGAN2 networks of "
            "that repository (stylegan2-….pkl, or trained with --cfg=stylegan2) can be imported"
        )
    if "synthesis.b4.const" not in tensors:
        raise BundleError(f"{what} is a {module.class_name}: expected a StyleGAN2 generator, with synthesis.b4.const")
    if "mapping.embed.weight" in tensors:
        raise BundleError(f"{what} draws by class labels (mapping.embed.weight): expected a generator without classes")
    num_up = 0
    while f"synthesis.b{8 * 2**num_up}.conv1.weight" in tensors:
        num_up += 1
    resolutions = [4 * 2**k for k in range(num_up + 1)]
    style_dim = axis(tensors, "synthesis.b4.conv1.affine.weight", 1, 2, what)
    num_mapping = count(tensors, "mapping.fc{}.weight")
    config = shape_of(
        [axis(tensors, f"synthesis.b{r}.conv1.weight", 0, 4, what) for r in resolutions],
        style_dim=style_dim,
        z_dim=axis(tensors, "mapping.fc0.weight", 1, 2, what) if num_mapping else style_dim,
        num_mapping_layers=num_mapping,
        what=what,
    )
    check_kernels(tensors, KERNELS, 1.0, what)
    translated = to_ours(
        tensors, ROWS, generator_weights(config), what=what, dropped=DROPPED, optional="convs.{}.noise"
    )
    weights, notes = with_noise(translated, config)
    return GeneratorPart(config=config, weights=weights, notes=notes), tensors.get("mapping.w_avg")
