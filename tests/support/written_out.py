"""The layers of the encoders written out as formulas over a state dict, to compare networks with."""

import torch
import torch.nn.functional as F

RELU_SLOPE = 0.01  # torch's LeakyReLU, which the style heads were published with


def shake(network, seed=0):
    """Numbers for every weight, none of them special and so large that what comes out depends on what goes in.

    In evaluation mode, without gradient.
    """
    rng = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if tensor.ndim == 4:
            tensor.normal_(std=tensor[0].numel() ** -0.5, generator=rng)
        elif tensor.ndim == 2:
            tensor.normal_(std=tensor.shape[1] ** -0.5, generator=rng)
        elif tensor.ndim == 1:
            middle = 1.0 if name.endswith(("running_var", "weight")) else 0.0
            tensor.uniform_(middle - 0.5, middle + 0.5, generator=rng)
    return network.eval().requires_grad_(False)


def norm(x, weights, name):
    mean, variance, scale, shift = (
        weights[f"{name}.{part}"].view(1, -1, *[1] * (x.ndim - 2))
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (variance + 1e-5).sqrt() * scale + shift


def prelu(x, weights, name):
    return torch.where(x > 0, x, x * weights[f"{name}.weight"][:, None, None])


def conv(x, weights, name, stride=1):
    kernel = weights[f"{name}.weight"]
    return F.conv2d(x, kernel, weights.get(f"{name}.bias"), stride, kernel.shape[-1] // 2)


def stem(x, weights):
    return prelu(norm(conv(x, weights, "stem.0"), weights, "stem.1"), weights, "stem.2")


def irse_unit(x, weights, name, stride):
    y = prelu(conv(norm(x, weights, f"{name}.body.0"), weights, f"{name}.body.1"), weights, f"{name}.body.2")
    y = norm(conv(y, weights, f"{name}.body.3", stride), weights, f"{name}.body.4")
    squeezed = conv(y.mean((2, 3), keepdim=True), weights, f"{name}.body.5.squeeze").clamp(min=0)
    y = y / (1 + torch.exp(-conv(squeezed, weights, f"{name}.body.5.excite")))
    if f"{name}.shortcut.0.weight" in weights:
        return y + norm(conv(x, weights, f"{name}.shortcut.0", stride), weights, f"{name}.shortcut.1")
    return y + x[..., ::stride, ::stride]


def trunk(x, weights, units, unit):
    """The stem's map and every stage's; the first unit of a stage halves it."""
    maps = [stem(x, weights)]
    for stage, count in enumerate(units):
        x = maps[-1]
        for index in range(count):
            x = unit(x, weights, f"stages.{stage}.{index}", 1 if index else 2)
        maps.append(x)
    return maps


def style_head(x, weights, index):
    step = 0
    while x.shape[-1] > 1:
        x = conv(x, weights, f"heads.{index}.convs.{2 * step}", 2)
        x, step = torch.where(x > 0, x, RELU_SLOPE * x), step + 1
    weight = weights[f"heads.{index}.linear.weight"]
    return x[..., 0, 0] @ weight.t() / weight.shape[1] ** 0.5 + weights[f"heads.{index}.linear.bias"]


def halved(image):
    """Means of 2 x 2 pixels."""
    batch, channels, height, width = image.shape
    return image.reshape(batch, channels, height // 2, 2, width // 2, 2).mean((3, 5))


def pooled(x, side):
    """Means over a grid of `side` x `side` cells that overlap where the map's side is no multiple."""
    edges = [(cell * x.shape[-1] // side, -(-(cell + 1) * x.shape[-1] // side)) for cell in range(side)]
    rows = [torch.stack([x[..., a:b, c:d].mean((2, 3)) for c, d in edges], -1) for a, b in edges]
    return torch.stack(rows, -2)
