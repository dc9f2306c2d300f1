"""Published checkpoint files, written from the names and shapes their publishers use: nothing here knows our names.

Every function gives the names of a layout with their shapes, with all that is in such a file beside the weights
(counters, kernels, noise images); `fill` makes numbers for them, and `write_*` puts them into files.
"""

import io
import pickle
import sys
import types
from contextlib import contextmanager

import numpy as np
import torch

KERNEL = torch.outer(torch.tensor([1.0, 3.0, 3.0, 1.0]), torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64

CHANNELS = {4: 16, 8: 16, 16: 12, 32: 6}
STYLE_DIM, Z_DIM, NUM_MAPPING = 24, 20, 2
WIDTHS, UNITS, STEM = (4, 6, 8, 16), (1, 2, 1, 1), 4


def fill(shapes, seed=0):
    """Random numbers by what a tensor is, told by its name and shape; kernels and counters as they must be."""
    rng = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        leaf = name.rsplit(".", 1)[-1]
        if leaf == "num_batches_tracked":
            tensors[name] = torch.tensor(1234)
        elif leaf in ("kernel", "resample_filter"):
            up = leaf == "kernel" and "alignment" not in name
            tensors[name] = KERNEL * (4 if up else 1)
        elif leaf == "running_var":
            tensors[name] = 0.5 + torch.rand(shape, generator=rng)
        elif "style" in name and leaf == "weight" and len(shape) == 2 and ("mlp" in name or name.startswith("style.")):
            tensors[name] = 100 * torch.randn(shape, generator=rng)  # the mapping's rate multiplier
        elif name.startswith("mapping.fc") and leaf == "weight":
            tensors[name] = 100 * torch.randn(shape, generator=rng)
        elif name.endswith(("modulation.bias", "affine.bias")):
            tensors[name] = 1 + 0.3 * torch.randn(shape, generator=rng)
        elif name.startswith(("styles.", "encoder.", "body.", "block_", "conv.", "output_layer", "modulation.")) and (
            len(shape) > 1
        ):
            tensors[name] = torch.randn(shape, generator=rng) / torch.tensor(shape[1:]).prod() ** 0.5
        elif len(shape) == 1 and leaf == "weight" and "noise" not in name:
            tensors[name] = 0.5 + torch.rand(shape, generator=rng)  # gains of norms and slopes
        else:
            tensors[name] = torch.randn(shape, generator=rng)
    return tensors


def rosinality_shapes(channels=CHANNELS, style_dim=STYLE_DIM, z_dim=Z_DIM, num_mapping=NUM_MAPPING):
    shapes = {}
    for n in range(1, num_mapping + 1):
        shapes[f"style.{n}.weight"] = (style_dim, z_dim if n == 1 else style_dim)
        shapes[f"style.{n}.bias"] = (style_dim,)
    sizes = sorted(channels)

    def conv(name, num_in, num_out, up=False):
        shapes[f"{name}.conv.weight"] = (1, num_out, num_in, 3, 3)
        if up:
            shapes[f"{name}.conv.blur.kernel"] = (4, 4)
        shapes[f"{name}.conv.modulation.weight"] = (num_in, style_dim)
        shapes[f"{name}.conv.modulation.bias"] = (num_in,)
        shapes[f"{name}.noise.weight"] = (1,)
        shapes[f"{name}.activate.bias"] = (num_out,)

    def to_rgb(name, num_in, up):
        shapes[f"{name}.bias"] = (1, 3, 1, 1)
        if up:
            shapes[f"{name}.upsample.kernel"] = (4, 4)
        shapes[f"{name}.conv.weight"] = (1, 3, num_in, 1, 1)
        shapes[f"{name}.conv.modulation.weight"] = (num_in, style_dim)
        shapes[f"{name}.conv.modulation.bias"] = (num_in,)

    shapes["input.input"] = (1, channels[4], 4, 4)
    conv("conv1", channels[4], channels[4])
    to_rgb("to_rgb1", channels[4], False)
    for k, size in enumerate(sizes[1:]):
        conv(f"convs.{2 * k}", channels[size // 2], channels[size], up=True)
        conv(f"convs.{2 * k + 1}", channels[size], channels[size])
        to_rgb(f"to_rgbs.{k}", channels[size], True)
    for n in range(2 * len(sizes) - 1):
        side = 4 * 2 ** ((n + 1) // 2)
        shapes[f"noises.noise_{n}"] = (1, 1, side, side)
    return shapes


_BASICSR = (
    ("style.", "style_mlp."),
    ("input.input", "constant_input.weight"),
    (".conv.modulation.", ".modulated_conv.modulation."),
    (".conv.weight", ".modulated_conv.weight"),
    (".noise.weight", ".weight"),
    ("noises.noise_", "noises.noise"),
)


def basicsr_name(name):
    """BasicSR's name of a tensor that rosinality's layout has; None where it has none."""
    if name.endswith("kernel"):
        return None
    for old, new in _BASICSR:
        name = name.replace(old, new)
    return "style_" + name if name.startswith(("conv1", "convs")) else name


def basicsr_shapes(**options):
    return {basicsr_name(n): s for n, s in rosinality_shapes(**options).items() if basicsr_name(n) is not None}


def nvlabs_shapes(channels=CHANNELS, style_dim=STYLE_DIM, z_dim=Z_DIM, num_mapping=NUM_MAPPING):
    shapes = {"mapping.w_avg": (style_dim,)}
    for n in range(num_mapping):
        shapes[f"mapping.fc{n}.weight"] = (style_dim, z_dim if n == 0 else style_dim)
        shapes[f"mapping.fc{n}.bias"] = (style_dim,)
    for size in sorted(channels):
        block, width = f"synthesis.b{size}", channels[size]
        shapes[f"{block}.resample_filter"] = (4, 4)
        if size == 4:
            shapes[f"{block}.const"] = (width, 4, 4)
        for name, num_in in (("conv0", channels.get(size // 2)), ("conv1", width)):
            if num_in is None:
                continue
            shapes[f"{block}.{name}.weight"] = (width, num_in, 3, 3)
            shapes[f"{block}.{name}.noise_strength"] = ()
            shapes[f"{block}.{name}.bias"] = (width,)
            shapes[f"{block}.{name}.resample_filter"] = (4, 4)
            shapes[f"{block}.{name}.noise_const"] = (size, size)
            shapes[f"{block}.{name}.affine.weight"] = (num_in, style_dim)
            shapes[f"{block}.{name}.affine.bias"] = (num_in,)
        shapes[f"{block}.torgb.weight"] = (3, width, 1, 1)
        shapes[f"{block}.torgb.bias"] = (3,)
        shapes[f"{block}.torgb.affine.weight"] = (width, style_dim)
        shapes[f"{block}.torgb.affine.bias"] = (width,)
    return shapes


def _norm(shapes, name, width):
    for leaf in ("weight", "bias", "running_mean", "running_var"):
        shapes[f"{name}.{leaf}"] = (width,)
    shapes[f"{name}.num_batches_tracked"] = ()


def irse_shapes(num_in=3, stem=STEM, widths=WIDTHS, units=UNITS):
    shapes = {"input_layer.0.weight": (stem, num_in, 3, 3)}
    _norm(shapes, "input_layer.1", stem)
    shapes["input_layer.2.weight"] = (stem,)
    inputs, n = stem, 0
    for width, count in zip(widths, units, strict=True):
        for _ in range(count):
            body = f"body.{n}"
            if inputs != width:
                shapes[f"{body}.shortcut_layer.0.weight"] = (width, inputs, 1, 1)
                _norm(shapes, f"{body}.shortcut_layer.1", width)
            _norm(shapes, f"{body}.res_layer.0", inputs)
            shapes[f"{body}.res_layer.1.weight"] = (width, inputs, 3, 3)
            shapes[f"{body}.res_layer.2.weight"] = (width,)
            shapes[f"{body}.res_layer.3.weight"] = (width, width, 3, 3)
            _norm(shapes, f"{body}.res_layer.4", width)
            hidden = max(width // 16, 1)
            shapes[f"{body}.res_layer.5.fc1.weight"] = (hidden, width, 1, 1)
            shapes[f"{body}.res_layer.5.fc2.weight"] = (width, hidden, 1, 1)
            inputs, n = width, n + 1
    return shapes


def _heads(shapes, depths, num_in, width, style_dim):
    for head, depth in enumerate(depths):
        for k in range(depth):
            shapes[f"styles.{head}.convs.{2 * k}.weight"] = (width, num_in if k == 0 else width, 3, 3)
            shapes[f"styles.{head}.convs.{2 * k}.bias"] = (width,)
        shapes[f"styles.{head}.linear.weight"] = (style_dim, width)
        shapes[f"styles.{head}.linear.bias"] = (style_dim,)


def pyramid_shapes(num_styles=8, coarse=1, head_width=10, style_dim=STYLE_DIM, widths=WIDTHS, **backbone):
    """An e4e or pSp encoder for images of 16 · 2^coarse pixels."""
    shapes = irse_shapes(widths=widths, **backbone)
    depths = [coarse + (n >= 3) + (n >= 7) for n in range(num_styles)]
    _heads(shapes, depths, widths[3], head_width, style_dim)
    for name, width in (("latlayer1", widths[2]), ("latlayer2", widths[1])):
        shapes[f"{name}.weight"] = (widths[3], width, 1, 1)
        shapes[f"{name}.bias"] = (widths[3],)
    return shapes


def restyle_shapes(num_styles=8, coarse=1, head_width=10, style_dim=STYLE_DIM, widths=WIDTHS, **backbone):
    shapes = irse_shapes(num_in=6, widths=widths, **backbone)
    _heads(shapes, [coarse] * num_styles, widths[3], head_width, style_dim)
    return shapes


def identity_shapes(side=1, embedding=12, widths=WIDTHS, **backbone):
    """An IR-SE identity network for images of 16 · side pixels."""
    shapes = irse_shapes(widths=widths, **backbone)
    _norm(shapes, "output_layer.0", widths[3])
    shapes["output_layer.3.weight"] = (embedding, widths[3] * side * side)
    shapes["output_layer.3.bias"] = (embedding,)
    _norm(shapes, "output_layer.4", embedding)
    return shapes


def featurestyle_shapes(num_styles=8, content=12, style_dim=STYLE_DIM, stem=STEM, widths=WIDTHS, units=UNITS):
    shapes = {"conv.0.weight": (stem, 3, 3, 3)}
    _norm(shapes, "conv.1", stem)
    shapes["conv.2.weight"] = (stem,)
    inputs = stem
    for stage, (width, count) in enumerate(zip(widths, units, strict=True), start=1):
        for n in range(count):
            unit = f"block_{stage}.{n}"
            _norm(shapes, f"{unit}.bn1", inputs)
            shapes[f"{unit}.conv1.weight"] = (width, inputs, 3, 3)
            _norm(shapes, f"{unit}.bn2", width)
            shapes[f"{unit}.prelu.weight"] = (width,)
            shapes[f"{unit}.conv2.weight"] = (width, width, 3, 3)
            _norm(shapes, f"{unit}.bn3", width)
            if n == 0:
                shapes[f"{unit}.downsample.0.weight"] = (width, inputs, 1, 1)
                _norm(shapes, f"{unit}.downsample.1", width)
            inputs = width
    _norm(shapes, "content_layer.0", widths[2])
    shapes["content_layer.1.weight"] = (content, widths[2], 3, 3)
    _norm(shapes, "content_layer.2", content)
    shapes["content_layer.3.weight"] = (content,)
    shapes["content_layer.4.weight"] = (content, content, 3, 3)
    _norm(shapes, "content_layer.5", content)
    for n in range(num_styles):
        shapes[f"styles.{n}.weight"] = (style_dim, 9 * sum(widths))
        shapes[f"styles.{n}.bias"] = (style_dim,)
    return shapes


def decomposition_shapes(levels, conv_bias=False):
    """A released decomposition; `levels`: (channels of the generator, of the encoder), fine to coarse."""
    shapes = {}
    for k, (channels, encoder) in enumerate(levels):
        shapes[f"feats_conv.{k}.weight"] = (channels, encoder, 1, 1)
        shapes[f"feats_conv.{k}.bias"] = (channels,)
        wide, block = 2 * channels, f"modulation.{k}.alignment.body.body"
        shapes[f"modulation.{k}.weight"] = (1,)
        shapes[f"modulation.{k}.noiseInj.weight"] = (1,)
        shapes[f"modulation.{k}.alignment.blur.kernel"] = (4, 4)
        for n, out in ((0, wide), (1, 3)):
            if n == 1:
                shapes[f"{block}.1.shortcut_layer.0.weight"] = (3, wide, 1, 1)
                if conv_bias:
                    shapes[f"{block}.1.shortcut_layer.0.bias"] = (3,)
                shapes[f"{block}.1.shortcut_layer.1.weight"] = shapes[f"{block}.1.shortcut_layer.1.bias"] = (3,)
            for leaf in ("weight", "bias"):
                shapes[f"{block}.{n}.res_layer.0.{leaf}"] = (wide,)
                shapes[f"{block}.{n}.res_layer.4.{leaf}"] = (out,)
            shapes[f"{block}.{n}.res_layer.1.weight"] = (out, wide, 3, 3)
            shapes[f"{block}.{n}.res_layer.2.weight"] = (out,)
            shapes[f"{block}.{n}.res_layer.3.weight"] = (out, out, 3, 3)
            if conv_bias:
                shapes[f"{block}.{n}.res_layer.1.bias"] = shapes[f"{block}.{n}.res_layer.3.bias"] = (out,)
    return shapes


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def released_shapes(encoder, generator, levels, num_styles=8, style_dim=STYLE_DIM, conv_bias=False):
    """The whole state dict of the released model, as its training code holds it."""
    return {
        "avg_latent": (1, style_dim),
        "delta_latent": (1, num_styles, style_dim),
        **under("encoder.", encoder),
        **decomposition_shapes(levels, conv_bias),
        **under("generator.", generator),
    }


def write_released(folder, fill_one, shapes):
    """The three files of the released model: `generator.pt`, `encoder.pt`, `net_g.pth`.

    Args:
        folder: Exists.
        fill_one: (name, shape) to a tensor or array, over the names of the released state dict; None for constants.
        shapes: Names and shapes of the whole state dict.
    """
    constants = fill(
        {name: shape for name, shape in shapes.items() if name.endswith(("kernel", "num_batches_tracked"))}
    )
    tensors = {}
    for name, shape in shapes.items():
        value = fill_one(name, shape)
        tensors[name] = constants[name] if value is None else torch.as_tensor(value)
    num_styles = shapes["delta_latent"][1]
    size = 2 ** (num_styles // 2 + 1)

    def part(prefix):
        return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}

    torch.save({"g_ema": part("generator."), "latent_avg": tensors["avg_latent"][0]}, folder / "generator.pt")
    torch.save(
        {
            "state_dict": under("encoder.", part("encoder.")),
            "latent_avg": tensors["avg_latent"].repeat(num_styles, 1),
            "opts": {"encoder_type": "Encoder4Editing", "stylegan_size": size, "start_from_latent_avg": True},
        },
        folder / "encoder.pt",
    )
    # What its training saves: every name with modulation or feats_conv in it, so also the generator's style layers.
    saved = {name: t for name, t in tensors.items() if "modulation" in name or "feats_conv" in name}
    torch.save({"params": saved, "params_ema": saved}, folder / "net_g.pth")


class EasyDict(dict):
    """Stands for dnnlib.util.EasyDict while a pickle is written."""


@contextmanager
def _nvlabs_modules():
    """The modules whose names a NVlabs pickle has in it; only while it is written."""
    persistence, util = types.ModuleType("torch_utils.persistence"), types.ModuleType("dnnlib.util")

    def _reconstruct_persistent_obj(meta):
        raise AssertionError("only written, never read")

    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    persistence._reconstruct_persistent_obj = _reconstruct_persistent_obj
    util.EasyDict = EasyDict
    before = EasyDict.__module__
    EasyDict.__module__ = "dnnlib.util"
    names = {"torch_utils": types.ModuleType("torch_utils"), "dnnlib": types.ModuleType("dnnlib")}
    names |= {"torch_utils.persistence": persistence, "dnnlib.util": util}
    sys.modules.update(names)
    try:
        yield _reconstruct_persistent_obj
    finally:
        EasyDict.__module__ = before
        for name in names:
            del sys.modules[name]


def nvlabs_bytes(tensors, *, source="raise SystemExit('source was run')", class_name="Generator", extra=None):
    """A pickle as NVlabs' code writes it: every module is a call with its source and its state."""
    with _nvlabs_modules() as reconstruct:

        class Module:
            def __init__(self, name, tree):
                self.name, self.tree = name, tree

            def __reduce__(self):
                parameters, buffers, modules = {}, {}, {}
                for key, value in self.tree.items():
                    if isinstance(value, dict):
                        modules[key] = Module({"mapping": "MappingNetwork"}.get(key, "SynthesisNetwork"), value)
                    elif key in ("noise_const", "resample_filter", "w_avg"):
                        buffers[key] = value
                    else:
                        parameters[key] = torch.nn.Parameter(value)
                state = {
                    "training": False,
                    "_parameters": parameters,
                    "_buffers": buffers,
                    "_non_persistent_buffers_set": set(),
                    "_modules": modules,
                    "_init_args": (),
                    "_init_kwargs": EasyDict(w_dim=24),
                    "num_ws": 8,
                    "weight_gain": np.float64(0.2),
                }
                meta = {"type": "class", "version": 6, "module_src": source, "class_name": self.name, "state": state}
                return reconstruct, (EasyDict(meta),)

        tree = {}
        for name, tensor in tensors.items():
            *path, leaf = name.split(".")
            place = tree
            for step in path:
                place = place.setdefault(step, {})
            place[leaf] = tensor
        content = {"G": None, "D": None, "G_ema": Module(class_name, tree), "training_set_kwargs": EasyDict(path="x")}
        buffer = io.BytesIO()
        pickle.dump(content | (extra or {}), buffer)
        return buffer.getvalue()
