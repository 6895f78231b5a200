"""The small U-Net in PyTorch, from the same weights, for the benchmark and the tests."""

import math
from typing import Any

import torch
from torch.nn import functional as F

from models.diffusion.ddpm_settings import GROUPS


def forward(
    w: dict[str, Any], x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor | None = None
) -> torch.Tensor:
    """`w` as `UNet.state()` names it; x (N, channels, H, W), t and labels (N,) integers."""
    finer = sum(name.startswith("halve") for name in w) // 2

    def linear(name, h):
        return F.linear(h, w[f"{name}.weight"], w[f"{name}.bias"])

    def conv(name, h, **options):
        return F.conv2d(h, w[f"{name}.weight"], w[f"{name}.bias"], **options)

    def norm(name, h):
        return F.group_norm(h, GROUPS, w[f"{name}.weight"], w[f"{name}.bias"])

    embedding = linear("conditioning.hidden", w["conditioning.sinusoids"][t])
    embedding = linear("conditioning.output", F.silu(embedding))
    if labels is not None:
        embedding = embedding + w["conditioning.label.weight"][labels]
    embedding = F.silu(embedding)

    def block(name, x):
        h = conv(f"{name}.convs.0", F.silu(norm(f"{name}.norms.0", x)), padding=1)
        h = h + linear(f"{name}.time", embedding)[:, :, None, None]
        h = conv(f"{name}.convs.1", F.silu(norm(f"{name}.norms.1", h)), padding=1)
        return h + (conv(f"{name}.skip", x) if f"{name}.skip.weight" in w else x)

    def attention(name, x):
        h = norm(f"{name}.norm", x).flatten(2).transpose(1, 2)
        q, k, v = (linear(f"{name}.{part}", h) for part in ("query", "key", "value"))
        h = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(x.shape[1]), -1) @ v
        return x + linear(f"{name}.output", h).transpose(1, 2).reshape(x.shape)

    h, kept = conv("input", x, padding=1), []
    for level in range(finer):
        h = block(f"down.{level}", h)
        kept.append(h)
        h = conv(f"halve.{level}", h, stride=2, padding=1)
    h = block("middle.1", attention("attention", block("middle.0", h)))
    for level in reversed(range(finer)):
        h = F.interpolate(conv(f"double.{level}", h), scale_factor=2, mode="nearest")
        h = h[:, :, : kept[level].shape[2], : kept[level].shape[3]]
        h = block(f"up.{level}", torch.cat([h, kept[level]], 1))
    return conv("output", F.silu(norm("norm", h)), padding=1).flatten(1)
