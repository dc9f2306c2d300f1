"""Published networks written out as formulas over tensors under their publishers' names, to compare imports with."""

import math

import torch
import torch.nn.functional as F
from published import KERNEL
from written_out import halved, pooled

__all__ = ["featurestyle", "halved", "identity", "nvlabs_image", "pyramid", "restyle_codes", "rosinality_image"]


def _fir(x, up, pad, gain):
    """Zeros after every pixel, padding, and the filter: convolution with the whole kernel, per channel."""
    batch, channels, height, width = x.shape
    spread = torch.zeros(batch, channels, height * up, width * up)
    spread[:, :, ::up, ::up] = x
    spread = F.pad(spread, (pad[0], pad[1], pad[0], pad[1]))
    kernel = (KERNEL * gain).flip(0, 1)[None, None].repeat(channels, 1, 1, 1)
    return F.conv2d(spread, kernel, groups=channels)


def _modulated(x, weight, style, *, up=False, demodulate=True):
    """One kernel per sample (StyleGAN2, Eq. 1 and 3); with `up`, zeros between the pixels and a true convolution."""
    pictures = []
    for sample, scale in zip(x, style, strict=True):
        kernel = weight * scale[None, :, None, None]
        if demodulate:
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            spread = torch.zeros(1, x.shape[1], 2 * x.shape[2] - 1, 2 * x.shape[3] - 1)
            spread[0, :, ::2, ::2] = sample
            # A convolution mirrors its kernel, torch's conv2d does not.
            y = F.conv2d(F.pad(spread, (2, 2, 2, 2)), kernel.flip(2, 3))
            pictures.append(_fir(y, 1, (1, 1), 4))
        else:
            pictures.append(F.conv2d(sample[None], kernel, padding=kernel.shape[-1] // 2))
    return torch.cat(pictures)


def _lrelu(x):
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def _linear(x, weight, bias, rate=1.0):
    return x @ (weight * rate / math.sqrt(weight.shape[1])).t() + bias * rate


def rosinality_w(t, z):
    x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    n = 1
    while f"style.{n}.weight" in t:
        x, n = _lrelu(_linear(x, t[f"style.{n}.weight"], t[f"style.{n}.bias"], 0.01)), n + 1
    return x


def rosinality_image(t, w_plus):
    def conv(x, name, row, noise, up=False):
        style = _linear(w_plus[:, row], t[f"{name}.conv.modulation.weight"], t[f"{name}.conv.modulation.bias"])
        weight = t[f"{name}.conv.weight"][0]
        y = _modulated(x, weight / math.sqrt(weight[0].numel()), style, up=up)
        return _lrelu(
            y + t[f"{name}.noise.weight"] * t[f"noises.noise_{noise}"] + t[f"{name}.activate.bias"][:, None, None]
        )

    def rgb(x, name, row):
        style = _linear(w_plus[:, row], t[f"{name}.conv.modulation.weight"], t[f"{name}.conv.modulation.bias"])
        weight = t[f"{name}.conv.weight"][0]
        return _modulated(x, weight / math.sqrt(weight.shape[1]), style, demodulate=False) + t[f"{name}.bias"]

    x = conv(t["input.input"].repeat(len(w_plus), 1, 1, 1), "conv1", 0, 0)
    image, k = rgb(x, "to_rgb1", 1), 0
    while f"to_rgbs.{k}.bias" in t:
        x = conv(x, f"convs.{2 * k}", 2 * k + 1, 2 * k + 1, up=True)
        x = conv(x, f"convs.{2 * k + 1}", 2 * k + 2, 2 * k + 2)
        image = _fir(image, 2, (2, 1), 4) + rgb(x, f"to_rgbs.{k}", 2 * k + 3)
        k += 1
    return image


def nvlabs_w(t, z):
    x = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    n = 0
    while f"mapping.fc{n}.weight" in t:
        x, n = _lrelu(_linear(x, t[f"mapping.fc{n}.weight"], t[f"mapping.fc{n}.bias"], 0.01)), n + 1
    return x


def nvlabs_image(t, ws):
    """Their block: conv0 takes the row conv1 of the block before is followed by; torgb shares with the next conv0."""
    image, x, size, row = None, None, 4, 0
    while f"synthesis.b{size}.conv1.weight" in t:
        block = f"synthesis.b{size}"
        if size == 4:
            x = t[f"{block}.const"][None].repeat(len(ws), 1, 1, 1)
        for name, up in (("conv0", True), ("conv1", False)):
            if f"{block}.{name}.weight" not in t:
                continue
            style = _linear(ws[:, row], t[f"{block}.{name}.affine.weight"], t[f"{block}.{name}.affine.bias"])
            y = _modulated(x, t[f"{block}.{name}.weight"], style, up=up)
            y = y + t[f"{block}.{name}.noise_const"] * t[f"{block}.{name}.noise_strength"]
            x, row = _lrelu(y + t[f"{block}.{name}.bias"][:, None, None]), row + 1
        weight = t[f"{block}.torgb.weight"]
        style = _linear(ws[:, row], t[f"{block}.torgb.affine.weight"], t[f"{block}.torgb.affine.bias"])
        rgb = _modulated(x, weight, style / math.sqrt(weight.shape[1]), demodulate=False)
        rgb = rgb + t[f"{block}.torgb.bias"][:, None, None]
        image = rgb if image is None else _fir(image, 2, (2, 1), 4) + rgb
        size *= 2
    return image


def _norm(x, t, name):
    mean, variance, scale, shift = (
        t[f"{name}.{leaf}"].view(1, -1, *[1] * (x.ndim - 2))
        for leaf in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (variance + 1e-5).sqrt() * scale + shift


def _prelu(x, t, name):
    return torch.where(x > 0, x, x * t[f"{name}.weight"][:, None, None])


def _conv(x, t, name, stride=1):
    kernel = t[f"{name}.weight"]
    return F.conv2d(x, kernel, t.get(f"{name}.bias"), stride, kernel.shape[-1] // 2)


def _irse(t, image, units):
    """The stem's map and every stage's."""
    maps = [_prelu(_norm(_conv(image, t, "input_layer.0"), t, "input_layer.1"), t, "input_layer.2")]
    n = 0
    for count in units:
        x = maps[-1]
        for index in range(count):
            stride, layer = (1 if index else 2), f"body.{n}.res_layer"
            y = _prelu(_conv(_norm(x, t, f"{layer}.0"), t, f"{layer}.1"), t, f"{layer}.2")
            y = _norm(_conv(y, t, f"{layer}.3", stride), t, f"{layer}.4")
            gate = _conv(_conv(y.mean((2, 3), keepdim=True), t, f"{layer}.5.fc1").clamp(min=0), t, f"{layer}.5.fc2")
            y = y * torch.sigmoid(gate)
            short = f"body.{n}.shortcut_layer"
            if f"{short}.0.weight" in t:
                x = y + _norm(_conv(x, t, f"{short}.0", stride), t, f"{short}.1")
            else:
                x = y + x[..., ::stride, ::stride]
            n += 1
        maps.append(x)
    return maps


def _head(t, index, x):
    step = 0
    while f"styles.{index}.convs.{step}.weight" in t:
        x = _conv(x, t, f"styles.{index}.convs.{step}", 2)
        x, step = torch.where(x > 0, x, 0.01 * x), step + 2
    return _linear(x[..., 0, 0], t[f"styles.{index}.linear.weight"], t[f"styles.{index}.linear.bias"])


def _num_heads(t):
    return sum(name.startswith("styles.") and name.endswith("linear.weight") for name in t)


def pyramid(t, image, units, *, progressive, mode):
    """Codes of an e4e (progressive) or pSp encoder for images of its own size."""
    maps = _irse(t, image, units)

    def add(x, lateral, name):
        return F.interpolate(x, lateral.shape[-2:], mode=mode, align_corners=True) + _conv(lateral, t, name)

    p2 = add(maps[4], maps[3], "latlayer1")
    p1 = add(p2, maps[2], "latlayer2")
    codes = [_head(t, n, maps[4] if n < 3 else p2 if n < 7 else p1) for n in range(_num_heads(t))]
    return torch.stack([codes[0]] + [code + codes[0] * progressive for code in codes[1:]], 1)


def restyle_codes(t, photo, current, units, *, progressive):
    """Codes of one pass."""
    last = _irse(t, torch.cat([photo, current], 1), units)[4]
    codes = [_head(t, n, last) for n in range(_num_heads(t))]
    return torch.stack([codes[0]] + [code + codes[0] * progressive for code in codes[1:]], 1)


def identity(t, face, units):
    """Direction of a face already cut out and of the right size."""
    x = _norm(_irse(t, face, units)[4], t, "output_layer.0").flatten(1)
    x = _norm(x @ t["output_layer.3.weight"].t() + t["output_layer.3.bias"], t, "output_layer.4")
    return x / x.norm(dim=1, keepdim=True)


def featurestyle(t, image, units):
    """Styles and content for images of 256 pixels."""
    x = _prelu(_norm(_conv(image, t, "conv.0"), t, "conv.1"), t, "conv.2")
    maps = []
    for stage, count in enumerate(units, start=1):
        for index in range(count):
            unit, stride = f"block_{stage}.{index}", 1 if index else 2
            y = _norm(_conv(_norm(x, t, f"{unit}.bn1"), t, f"{unit}.conv1"), t, f"{unit}.bn2")
            y = _norm(_conv(_prelu(y, t, f"{unit}.prelu"), t, f"{unit}.conv2", stride), t, f"{unit}.bn3")
            if index == 0:
                x = _norm(_conv(x, t, f"{unit}.downsample.0", stride), t, f"{unit}.downsample.1")
            x = x + y
        maps.append(x)
    features = torch.cat([pooled(m, 3) for m in maps], 1).flatten(1)
    n = sum(name.startswith("styles.") and name.endswith(".weight") for name in t)
    styles = torch.stack([features @ t[f"styles.{k}.weight"].t() + t[f"styles.{k}.bias"] for k in range(n)], 1)
    y = _conv(_norm(maps[2], t, "content_layer.0"), t, "content_layer.1")
    y = _conv(_prelu(_norm(y, t, "content_layer.2"), t, "content_layer.3"), t, "content_layer.4", 2)
    return styles, _norm(y, t, "content_layer.5")


def released_alignment(t, k, generated, encoded):
    """One round of the released aligner, level `k` from the finest: flow and mask before any gating."""

    def normed(x, name=None):
        x = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
        return x if name is None else x * t[f"{name}.weight"][:, None, None] + t[f"{name}.bias"][:, None, None]

    def block(x, name, short):
        y = _prelu(_conv(normed(x, f"{name}.res_layer.0"), t, f"{name}.res_layer.1"), t, f"{name}.res_layer.2")
        y = normed(_conv(y, t, f"{name}.res_layer.3"), f"{name}.res_layer.4")
        if short:
            return y + normed(_conv(x, t, f"{name}.shortcut_layer.0"), f"{name}.shortcut_layer.1")
        return y + x

    target, source = normed(_conv(encoded, t, f"feats_conv.{k}")), normed(generated)
    body = f"modulation.{k}.alignment.body.body"
    x = block(block(torch.cat([source - target, target], 1), f"{body}.0", False), f"{body}.1", True)
    maps = torch.cat([0.08 * torch.tanh(x[:, :2]), torch.sigmoid(x[:, 2:])], 1)
    return _fir(maps, 1, (2, 1), 1)
