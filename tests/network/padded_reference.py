"""SAM2-UNet once more, by the book and slowly: windows padded with zeros, attention written out, batch norm by hand."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sam2unet.network import HieraConfig


def layer_norm(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    mean, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    return (x - mean) / (var + 1e-6).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def pool(x: Tensor) -> Tensor:
    """(B, H, W, C), the largest of each 2x2."""
    b, h, w, c = x.shape
    return x.view(b, h // 2, 2, w // 2, 2, c).amax(dim=(2, 4))


def attention(w: dict[str, Tensor], name: str, x: Tensor, heads: int, pooled: bool) -> Tensor:
    """One window (h, w, C), all its tokens, padded ones too."""
    height, width, _ = x.shape
    q, k, v = linear(w, f"{name}.qkv", x).chunk(3, dim=-1)
    if pooled:
        q = pool(q[None])[0]
        height, width = height // 2, width // 2
    q, k, v = (t.reshape(t.shape[0] * t.shape[1], heads, -1).transpose(0, 1) for t in (q, k, v))
    scores = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(dim=-1)
    return linear(w, f"{name}.proj", (scores @ v).transpose(0, 1).reshape(height, width, -1))


def block(w: dict[str, Tensor], name: str, x: Tensor, heads: int, window: int, widens: bool) -> Tensor:
    normed = layer_norm(w, f"{name}.norm1", x)
    shortcut = pool(linear(w, f"{name}.proj", normed)) if widens else x
    b, height, width, _ = normed.shape
    side = window or max(height, width)
    if window:
        normed = F.pad(normed, (0, 0, 0, -width % side, 0, -height % side))
    step = 2 if widens else 1
    out = torch.zeros(b, normed.shape[1] // step, normed.shape[2] // step, shortcut.shape[-1], dtype=x.dtype)
    for image in range(b):
        for top in range(0, normed.shape[1], side):
            for left in range(0, normed.shape[2], side):
                seen = normed[image, top : top + side, left : left + side]
                result = attention(w, f"{name}.attn", seen, heads, widens)
                at = slice(top // step, (top + side) // step), slice(left // step, (left + side) // step)
                out[image, at[0], at[1]] = result
    x = shortcut + out[:, : height // step, : width // step]
    hidden = F.gelu(linear(w, f"{name}.mlp.layers.0", layer_norm(w, f"{name}.norm2", x)))
    return x + linear(w, f"{name}.mlp.layers.1", hidden)


def norm_conv(w: dict[str, Tensor], conv: str, norm: str, x: Tensor, padding: tuple[int, int], dilation: int) -> Tensor:
    x = F.conv2d(x, w[f"{conv}.weight"], padding=padding, dilation=dilation)
    scale = w[f"{norm}.weight"] / (w[f"{norm}.running_var"] + 1e-5).sqrt()
    shift = w[f"{norm}.bias"] - w[f"{norm}.running_mean"] * scale
    return x * scale[:, None, None] + shift[:, None, None]


def receptive_field(w: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    def conv(part: str, x: Tensor, dilation: int = 1) -> Tensor:
        h, wd = w[f"{name}.{part}.0.weight"].shape[2:]
        padding = dilation * (h // 2), dilation * (wd // 2)
        return norm_conv(w, f"{name}.{part}.0", f"{name}.{part}.1", x, padding, dilation)

    outs = [conv("branches.0", x)]
    for i, reach in ((1, 3), (2, 5), (3, 7)):
        y = x
        for j in range(4):
            y = conv(f"branches.{i}.{j}", y, reach if j == 3 else 1)
        outs.append(y)
    return (conv("join", torch.cat(outs, dim=1)) + conv("shortcut", x)).clamp(min=0)


def forward(w: dict[str, Tensor], shape: HieraConfig, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(main, side16, side8) of a state dict `w`, batch norm in eval mode."""
    x = F.conv2d(images, w["trunk.patch_embed.proj.weight"], w["trunk.patch_embed.proj.bias"], 4, 3).permute(0, 2, 3, 1)
    grid = F.interpolate(w["trunk.pos_embed"], size=x.shape[1:3], mode="bicubic")
    side = shape.window_spec[0]
    tiled = w["trunk.pos_embed_window"].repeat(1, 1, x.shape[1] // side, x.shape[2] // side)
    x = x + (grid + tiled).permute(0, 2, 3, 1)
    features, index, heads = [], 0, shape.num_heads
    for stage, count in enumerate(shape.stages):
        for within in range(count):
            widens = stage > 0 and within == 0
            heads = 2 * heads if widens else heads
            window = 0 if index in shape.global_att_blocks else shape.window_spec[stage - widens]
            hidden = F.gelu(linear(w, f"adapters.{index}.down", x))
            x = x + F.gelu(linear(w, f"adapters.{index}.up", hidden))
            x = block(w, f"trunk.blocks.{index}", x, heads, window, widens)
            index += 1
        features.append(x.permute(0, 3, 1, 2))
    features = [receptive_field(w, f"receptive_fields.{i}", f) for i, f in enumerate(features)]
    x, logits = features[3], []
    for step in range(3):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        x = torch.cat([features[2 - step], x], dim=1)
        for conv in (0, 3):
            name = f"decoder.ups.{step}.convs"
            x = norm_conv(w, f"{name}.{conv}", f"{name}.{conv + 1}", x, (1, 1), 1).clamp(min=0)
        head = F.conv2d(x, w[f"decoder.heads.{step}.weight"], w[f"decoder.heads.{step}.bias"])
        logits.append(F.interpolate(head, size=images.shape[2:], mode="bilinear", align_corners=False))
    return logits[2], logits[0], logits[1]
