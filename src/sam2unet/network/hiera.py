"""The image encoder of SAM2 ("the trunk"): Hiera with windowed attention, exact without padding.

Sources: Hiera (arXiv 2306.00989), SAM2 (arXiv 2408.00714), absolute windowed position embeddings (arXiv 2311.05613).
Parameter names are those of Meta's checkpoints below `image_encoder.trunk.`.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint


@dataclass(frozen=True)
class TrunkShape:
    """The shape of a trunk; widths and heads double at each of the four stages."""

    embed_dim: int
    num_heads: int
    stages: tuple[int, int, int, int]
    """Blocks per stage."""
    global_att_blocks: tuple[int, ...]
    window_spec: tuple[int, int, int, int]
    """Window side per stage, in tokens of that stage."""
    pos_embed_grid: int

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels at strides 4, 8, 16 and 32."""
        c = self.embed_dim
        return c, 2 * c, 4 * c, 8 * c


TRUNKS = {
    "tiny": TrunkShape(96, 1, (1, 2, 7, 2), (5, 7, 9), (8, 4, 14, 7), 7),
    "small": TrunkShape(96, 1, (1, 2, 11, 2), (7, 10, 13), (8, 4, 14, 7), 7),
    "base_plus": TrunkShape(112, 2, (2, 3, 16, 3), (12, 16, 20), (8, 4, 14, 7), 14),
    "large": TrunkShape(144, 2, (2, 6, 36, 4), (23, 33, 43), (8, 4, 16, 8), 7),
}


def trained_through(x: Tensor) -> bool:
    """Whether a gradient will be asked for. What is exported keeps to torch's own operations."""
    return torch.is_grad_enabled() and x.requires_grad and not torch.jit.is_tracing()


def max_pool(x: Tensor) -> Tensor:
    """(B, H, W, C) -> (B, H/2, W/2, C)"""
    if trained_through(x):
        return cast(Tensor, MaxPool.apply(x))
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


class MaxPool(torch.autograd.Function):
    """2x2 max pooling that keeps a byte for each value it gives; torch keeps what came in, and an int64 for each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H/2, W/2, C); the first of equal values counts, row by row."""
        top_left, top_right, low_left, low_right = corners(x)
        top, low = torch.maximum(top_left, top_right), torch.maximum(low_left, low_right)
        below = low > top
        right = (low_right > low_left) & below | (top_right > top_left) & ~below
        ctx.save_for_backward(right.to(torch.uint8) + 2 * below.to(torch.uint8))
        return torch.maximum(top, low)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """To the largest of each window."""
        (which,) = ctx.saved_tensors
        batch, height, width, channels = which.shape
        back = gradient.new_empty(batch, 2 * height, 2 * width, channels)
        for number, corner in enumerate(corners(back)):
            torch.mul(gradient, which == number, out=corner)
        return back


def corners(x: Tensor) -> list[Tensor]:
    """The four (B, H/2, W/2, C) that make up the 2x2 windows of (B, H, W, C), row by row."""
    return [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]


def spans(length: int, window: int) -> list[tuple[int, int]]:
    """Cut [0, length) into the part that whole windows cover and the rest; empty parts are left out."""
    whole = length // window * window
    return [(a, b) for a, b in ((0, whole), (whole, length)) if b > a]


FUSED_FROM = 1024 * 1024
"""So many scores of one head are not kept in memory."""


def attend(q: Tensor, k: Tensor, v: Tensor, added: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(d) + added) v; q (B, heads, N, d), k and v (B, heads, K, d), added (K,) in float32 or wider.

    For the few keys of a window torch's fused kernel for CPUs is slow on the way back: in bf16 4 to 18 times as slow.
    """
    if q.device.type == "cpu" and q.shape[2] * k.shape[2] < FUSED_FROM and trained_through(q):
        return cast(Tensor, WindowAttention.apply(q, k, v, added))
    mask = None if added is None else added.to(q.dtype).expand(q.shape[2], -1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


class WindowAttention(torch.autograd.Function):
    """Attention as matrix products. Scores are float32 also where q, k and v are bf16, as in the fused kernels."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, added: Tensor | None) -> Tensor:
        """See `attend`."""
        ctx.scale = q.shape[-1] ** -0.5
        wide = torch.promote_types(q.dtype, torch.float32)
        with torch.autocast(q.device.type, enabled=False):
            scores = (q.to(wide) * ctx.scale) @ k.to(wide).transpose(-2, -1)
            weights = (scores if added is None else scores + added).softmax(dim=-1).to(v.dtype)
            ctx.save_for_backward(q, k, v, weights)
            return weights @ v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Of q, k and v."""
        q, k, v, weights = ctx.saved_tensors
        of_weights = gradient @ v.transpose(-2, -1)
        of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype) * ctx.scale
        return of_scores @ k, of_scores.transpose(-2, -1) @ q, weights.transpose(-2, -1) @ gradient, None


class Attention(nn.Module):
    """Multi-head attention inside windows of side `window` (0: over the whole map); `pool` max-pools the queries 2x2.

    The reference pads the map to whole windows. A padded token is zero, so its key and value are the biases of the
    projection: n of them weigh as much as one with log n added to its score. That one key replaces the padding.
    """

    def __init__(self, dim: int, dim_out: int, num_heads: int, window: int, pool: bool):
        super().__init__()
        self.num_heads = num_heads
        self.window = window
        self.pool = pool
        self.qkv = nn.Linear(dim, 3 * dim_out)
        self.proj = nn.Linear(dim_out, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H, W, dim_out), or half of H and W where queries are pooled."""
        height, width = x.shape[1:3]
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        stride = 1
        if self.pool:
            q, stride = max_pool(q), 2
        window = self.window or max(height, width)
        rows = []
        for top, bottom in spans(height, window):
            row = []
            for left, right in spans(width, window):
                queries = q[:, top // stride : bottom // stride, left // stride : right // stride]
                keys = slice(top, bottom), slice(left, right)
                cut = min(window, bottom - top), min(window, right - left)
                row.append(self._attend(queries, k[:, keys[0], keys[1]], v[:, keys[0], keys[1]], cut, stride))
            rows.append(torch.cat(row, dim=2))
        return self.proj(torch.cat(rows, dim=1))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, cut: tuple[int, int], stride: int) -> Tensor:
        """Attention in each of the equal windows of `cut` = (h, w) tokens that tile k and v."""
        batch, height, width, channels = q.shape
        h, w = cut[0] // stride, cut[1] // stride
        q, k, v = self._partition(q, h, w), self._partition(k, *cut), self._partition(v, *cut)
        absent = self.window**2 - cut[0] * cut[1] if self.window else 0
        added = None
        if absent:
            _, pad_k, pad_v = self.qkv.bias.to(k.dtype).view(3, 1, self.num_heads, 1, -1).expand(-1, len(k), -1, -1, -1)
            k, v = torch.cat([k, pad_k], dim=2), torch.cat([v, pad_v], dim=2)
            added = torch.zeros(k.shape[2], dtype=torch.promote_types(k.dtype, torch.float32), device=k.device)
            added[-1] = math.log(absent)
        x = attend(q, k, v, added)
        x = x.transpose(1, 2).reshape(batch, height // h, width // w, h, w, channels)
        return x.transpose(2, 3).reshape(batch, height, width, channels)

    def _partition(self, x: Tensor, h: int, w: int) -> Tensor:
        """(B, H, W, C) -> (B * windows, heads, h * w, C / heads)"""
        batch, height, width, _ = x.shape
        x = x.reshape(batch, height // h, h, width // w, w, self.num_heads, -1)
        return x.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, self.num_heads, h * w, x.shape[-1])


class Mlp(nn.Module):
    def __init__(self, dim: int, ratio: int = 4):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(dim, ratio * dim), nn.Linear(ratio * dim, dim)])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[1](F.gelu(self.layers[0](x)))


class Block(nn.Module):
    """Norm, attention, norm, MLP. Where the width changes, the shortcut is the normed input, projected and pooled."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, window: int):
        super().__init__()
        self.dim = dim
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, dim_out, num_heads, window, pool=dim != dim_out)
        self.norm2 = nn.LayerNorm(dim_out, eps=1e-6)
        self.mlp = Mlp(dim_out)
        self.proj = nn.Linear(dim, dim_out) if dim != dim_out else None

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        shortcut = x if self.proj is None else max_pool(self.proj(normed))
        x = shortcut + self.attn(normed)
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, dim: int):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=7, stride=4, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, H/4, W/4, dim)"""
        return self.proj(x).permute(0, 2, 3, 1)


class Hiera(nn.Module):
    """SAM2's image encoder.

    Fresh weights are those of a vision transformer trained from scratch: truncated normal 0.02, zero biases, and
    the projections back into the residual stream scaled by 1 / sqrt(2 depth).
    """

    recompute = 0
    """Of how many of the first blocks training keeps only what enters them, and computes the rest again on the way
    back. The first keep the most for the least arithmetic: their maps are the largest."""

    def __init__(self, shape: TrunkShape):
        super().__init__()
        self.shape = shape
        dim, heads, stage = shape.embed_dim, shape.num_heads, 0
        firsts = [sum(shape.stages[:i]) for i in range(1, 4)]
        self.stage_ends = [first - 1 for first in firsts] + [sum(shape.stages) - 1]
        self.patch_embed = PatchEmbed(dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, dim, shape.pos_embed_grid, shape.pos_embed_grid))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, dim, shape.window_spec[0], shape.window_spec[0]))
        self.blocks = nn.ModuleList()
        for i in range(sum(shape.stages)):
            # The first block of a stage still cuts the windows of the stage before.
            window = 0 if i in shape.global_att_blocks else shape.window_spec[stage]
            dim_out = dim
            if i in firsts:
                dim_out, heads, stage = 2 * dim, 2 * heads, stage + 1
            self.blocks.append(Block(dim, dim_out, heads, window))
            dim = dim_out
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        nn.init.trunc_normal_(self.pos_embed_window, std=0.02)
        for depth, block in enumerate(self.blocks, start=1):
            assert isinstance(block, Block)
            for back in (block.attn.proj.weight, block.mlp.layers[1].get_parameter("weight")):
                nn.init.trunc_normal_(back, std=0.02 / math.sqrt(2 * depth))

    def position(self, height: int, width: int) -> Tensor:
        """(1, height, width, C), added to the patches: the grid resized, plus the window embedding tiled over it."""
        grid = F.interpolate(self.pos_embed, size=(height, width), mode="bicubic")
        side = self.pos_embed_window.shape[-1]
        return (grid + self.pos_embed_window.tile(1, 1, height // side, width // side)).permute(0, 2, 3, 1)

    def forward(self, images: Tensor, before_block: Iterable[Callable[[Tensor], Tensor]]) -> list[Tensor]:
        """(B, 3, H, W) -> four maps (B, C, H/s, W/s) at strides s = 4, 8, 16, 32; H and W multiples of 32.

        The i-th of `before_block` acts on what enters block i: the adapters of SAM2-UNet, or `nn.Identity`.
        """
        x = self.patch_embed(images)
        x = x + self.position(x.shape[1], x.shape[2])
        features = []
        for i, (adapt, block) in enumerate(zip(before_block, self.blocks, strict=True)):
            x = self._recomputed(block, adapt, x) if i < self.recompute else block(adapt(x))
            if i in self.stage_ends:
                features.append(x.permute(0, 3, 1, 2))
        return features

    def _recomputed(self, block: nn.Module, adapt: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return block(adapt(x))
        # Nothing is drawn at random inside a block.
        return checkpoint(lambda x: block(adapt(x)), x, use_reentrant=False, preserve_rng_state=False)
