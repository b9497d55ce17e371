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
class HieraConfig:
    """Configuration of a trunk; channels and heads double at each of the four stages."""

    hub_id: str | None
    """Meta's repository on the Hugging Face hub is facebook/sam2-hiera-ID, or facebook/sam2.1-hiera-ID; None: there is
    none, so the trunk is always trained from scratch."""
    embed_dim: int
    """Channels of stage 1."""
    num_heads: int
    """Attention heads of stage 1."""
    stages: tuple[int, int, int, int]
    """Blocks per stage."""
    global_att_blocks: tuple[int, ...]
    """Indices of the blocks that attend to the whole map instead of to windows."""
    window_spec: tuple[int, int, int, int]
    """Window side per stage, in tokens of that stage."""
    pos_embed_grid: int
    """Side of the position embedding before it is resized to the map."""

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels at strides 4, 8, 16 and 32."""
        c = self.embed_dim
        return c, 2 * c, 4 * c, 8 * c


HIERA_CONFIGS = {
    "nano": HieraConfig(
        hub_id=None, embed_dim=32, num_heads=1, stages=(1, 1, 3, 1), global_att_blocks=(4,), window_spec=(8, 4, 14, 7),
        pos_embed_grid=7,
    ),
    "tiny": HieraConfig(
        hub_id="tiny", embed_dim=96, num_heads=1, stages=(1, 2, 7, 2), global_att_blocks=(5, 7, 9),
        window_spec=(8, 4, 14, 7), pos_embed_grid=7,
    ),
    "small": HieraConfig(
        hub_id="small", embed_dim=96, num_heads=1, stages=(1, 2, 11, 2), global_att_blocks=(7, 10, 13),
        window_spec=(8, 4, 14, 7), pos_embed_grid=7,
    ),
    "base_plus": HieraConfig(
        hub_id="base-plus", embed_dim=112, num_heads=2, stages=(2, 3, 16, 3), global_att_blocks=(12, 16, 20),
        window_spec=(8, 4, 14, 7), pos_embed_grid=14,
    ),
    "large": HieraConfig(
        hub_id="large", embed_dim=144, num_heads=2, stages=(2, 6, 36, 4), global_att_blocks=(23, 33, 43),
        window_spec=(8, 4, 16, 8), pos_embed_grid=7,
    ),
}  # fmt: skip
"""By name. All but nano, a small one for small data, are Meta's."""


def needs_grad(x: Tensor) -> bool:
    """True if autograd needs x's gradient; false while tracing, so that traced graphs hold only built-in operators."""
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
    return torch.is_grad_enabled() and x.requires_grad and not tracing


def max_pool(x: Tensor) -> Tensor:
    """(B, H, W, C) -> (B, H/2, W/2, C)"""
    if needs_grad(x):
        return cast(Tensor, MaxPool.apply(x))  # type: ignore[no-untyped-call]
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


class MaxPool(torch.autograd.Function):
    """2x2 max pooling that saves one byte per output for backward; torch saves the input and an int64 per output."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H/2, W/2, C); of equal values the first in row-major order is the maximum."""
        top_left, top_right, low_left, low_right = corners(x)
        top, low = torch.maximum(top_left, top_right), torch.maximum(low_left, low_right)
        below = low > top
        right = (low_right > low_left) & below | (top_right > top_left) & ~below
        ctx.save_for_backward(right.to(torch.uint8) + 2 * below.to(torch.uint8))
        return torch.maximum(top, low)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Route each gradient to the maximum of its window."""
        (which,) = ctx.saved_tensors
        batch, height, width, channels = which.shape
        back = gradient.new_empty(batch, 2 * height, 2 * width, channels)
        for number, corner in enumerate(corners(back)):
            torch.mul(gradient, which == number, out=corner)
        return back


def corners(x: Tensor) -> list[Tensor]:
    """Split (B, H, W, C) into the four corners (B, H/2, W/2, C) of its 2x2 windows, in row-major order."""
    return [x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)]


def spans(length: int, window: int) -> list[tuple[int, int]]:
    """Split [0, length) into the part covered by whole windows and the rest, without empty parts.

    >>> spans(22, 16), spans(32, 16)
    ([(0, 16), (16, 22)], [(0, 32)])
    """
    whole = length // window * window
    return [(a, b) for a, b in ((0, whole), (whole, length)) if b > a]


MIN_SCORES_FOR_FUSED = 1024 * 1024
"""From this many scores per head on, use the fused kernel, which stores none."""


def attend(q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None) -> Tensor:
    """softmax(q k^T / sqrt(d) + score_bias) v.

    For the few keys of a window the backward pass of torch's fused CPU kernel is slow (in bf16 4 to 18 times slower
    than matrix products), so training on a CPU uses `WindowAttention` there.

    Args:
        q: (B, heads, N, d).
        k: (B, heads, K, d).
        v: (B, heads, K, d).
        score_bias: (K,), added to each query's scores; float32 or wider.

    Returns:
        (B, heads, N, d).
    """
    if q.device.type == "cpu" and q.shape[2] * k.shape[2] < MIN_SCORES_FOR_FUSED and needs_grad(q):
        return cast(Tensor, WindowAttention.apply(q, k, v, score_bias))  # type: ignore[no-untyped-call]
    mask = None if score_bias is None else score_bias.to(q.dtype).expand(q.shape[2], -1)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


class WindowAttention(torch.autograd.Function):
    """Attention as matrix products; scores are float32 even if q, k and v are bf16, as in the fused kernels."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, score_bias: Tensor | None) -> Tensor:
        """See `attend`."""
        ctx.scale = q.shape[-1] ** -0.5
        score_dtype = torch.promote_types(q.dtype, torch.float32)
        with torch.autocast(q.device.type, enabled=False):
            scores: Tensor = (q.to(score_dtype) * ctx.scale) @ k.to(score_dtype).transpose(-2, -1)
            weights = (scores if score_bias is None else scores + score_bias).softmax(dim=-1).to(v.dtype)
            ctx.save_for_backward(q, k, v, weights)
            return weights @ v

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of q, k and v."""
        q, k, v, weights = ctx.saved_tensors
        grad_weights = gradient @ v.transpose(-2, -1)
        grad_scores = torch.ops.aten._softmax_backward_data(grad_weights, weights, -1, weights.dtype) * ctx.scale
        return grad_scores @ k, grad_scores.transpose(-2, -1) @ q, weights.transpose(-2, -1) @ gradient, None


class Attention(nn.Module):
    """Multi-head attention within windows of side `window` (0: over the whole map); `pool` max-pools the queries 2x2.

    SAM2 pads the map to whole windows. A padded token is zero, so its key and value are the biases of the projection,
    and n such keys together have the softmax weight of one with log n added to its score. That one key replaces the
    padding.
    """

    def __init__(self, dim: int, dim_out: int, num_heads: int, window: int, pool: bool):
        super().__init__()
        self.num_heads = num_heads
        self.window = window
        self.pool = pool
        self.qkv = nn.Linear(dim, 3 * dim_out)
        self.proj = nn.Linear(dim_out, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H, W, dim_out), with H and W halved if queries are pooled."""
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
        projected: Tensor = self.proj(torch.cat(rows, dim=1))
        return projected

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, cut: tuple[int, int], stride: int) -> Tensor:
        """Attend within the windows of `cut` = (h, w) tokens that tile k and v exactly."""
        batch, height, width, channels = q.shape
        h, w = cut[0] // stride, cut[1] // stride
        q, k, v = self._partition(q, h, w), self._partition(k, *cut), self._partition(v, *cut)
        num_padded = self.window**2 - cut[0] * cut[1] if self.window else 0
        score_bias = None
        if num_padded:
            _, pad_k, pad_v = self.qkv.bias.to(k.dtype).view(3, 1, self.num_heads, 1, -1).expand(-1, len(k), -1, -1, -1)
            k, v = torch.cat([k, pad_k], dim=2), torch.cat([v, pad_v], dim=2)
            score_bias = torch.zeros(k.shape[2], dtype=torch.promote_types(k.dtype, torch.float32), device=k.device)
            score_bias[-1] = math.log(num_padded)
        x = attend(q, k, v, score_bias)
        x = x.transpose(1, 2).reshape(batch, height // h, width // w, h, w, channels)
        return x.transpose(2, 3).reshape(batch, height, width, channels)

    def _partition(self, x: Tensor, h: int, w: int) -> Tensor:
        """(B, H, W, C) -> (B * windows, heads, h * w, C / heads)"""
        batch, height, width, _ = x.shape
        x = x.reshape(batch, height // h, h, width // w, w, self.num_heads, -1)
        return x.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, self.num_heads, h * w, x.shape[-1])


class Mlp(nn.Module):
    """Two linear layers with GELU between them; the hidden layer is four times as wide."""

    def __init__(self, dim: int):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)])

    def forward(self, x: Tensor) -> Tensor:
        """(..., dim) -> (..., dim)"""
        first, second = self.layers
        result: Tensor = second(F.gelu(first(x)))
        return result


class Block(nn.Module):
    """Norm, attention, norm, MLP. Where the channels change, the shortcut is the normed input, projected and pooled."""

    def __init__(self, dim: int, dim_out: int, num_heads: int, window: int):
        super().__init__()
        self.dim = dim
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, dim_out, num_heads, window, pool=dim != dim_out)
        self.norm2 = nn.LayerNorm(dim_out, eps=1e-6)
        self.mlp = Mlp(dim_out)
        self.proj = nn.Linear(dim, dim_out) if dim != dim_out else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, dim) -> (B, H, W, dim_out), with H and W halved if the channels change."""
        normed = self.norm1(x)
        shortcut = x if self.proj is None else max_pool(self.proj(normed))
        x = shortcut + self.attn(normed)
        result: Tensor = x + self.mlp(self.norm2(x))
        return result


class PatchEmbed(nn.Module):
    """A strided convolution that turns overlapping 7x7 patches into tokens."""

    def __init__(self, dim: int):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=7, stride=4, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, H/4, W/4, dim)"""
        patches: Tensor = self.proj(x)
        return patches.permute(0, 2, 3, 1)


class Hiera(nn.Module):
    """SAM2's image encoder.

    Initialised as a vision transformer that is trained from scratch: truncated normal with deviation 0.02, zero
    biases, and projections back into the residual stream scaled by 1 / sqrt(2 depth).
    """

    checkpointed_blocks = 0
    """Number of leading blocks with activation checkpointing. The first blocks have the largest maps, so checkpointing
    them saves the most memory for the least arithmetic."""

    def __init__(self, config: HieraConfig):
        super().__init__()
        self.config = config
        dim, heads, stage = config.embed_dim, config.num_heads, 0
        firsts = [sum(config.stages[:i]) for i in range(1, 4)]
        self.stage_ends = [first - 1 for first in firsts] + [sum(config.stages) - 1]
        self.patch_embed = PatchEmbed(dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, dim, config.pos_embed_grid, config.pos_embed_grid))
        self.pos_embed_window = nn.Parameter(torch.zeros(1, dim, config.window_spec[0], config.window_spec[0]))
        self.blocks = nn.ModuleList()
        for i in range(sum(config.stages)):
            # The first block of a stage still has the window of the stage before.
            window = 0 if i in config.global_att_blocks else config.window_spec[stage]
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
        """Position embedding (1, height, width, C): the resized grid plus the tiled window embedding."""
        grid = F.interpolate(self.pos_embed, size=(height, width), mode="bicubic")
        side = self.pos_embed_window.shape[-1]
        return (grid + self.pos_embed_window.tile(1, 1, height // side, width // side)).permute(0, 2, 3, 1)

    def forward(self, images: Tensor, before_block: Iterable[Callable[[Tensor], Tensor]]) -> list[Tensor]:
        """(B, 3, H, W) -> four maps (B, C, H/s, W/s) at strides s = 4, 8, 16, 32; H and W multiples of 32.

        The i-th of `before_block` is applied to the input of block i: SAM2-UNet's adapters, or `nn.Identity`.
        """
        x = self.patch_embed(images)
        x = x + self.position(x.shape[1], x.shape[2])
        features = []
        for i, (adapt, block) in enumerate(zip(before_block, self.blocks, strict=True)):
            x = self._checkpointed(block, adapt, x) if i < self.checkpointed_blocks else block(adapt(x))
            if i in self.stage_ends:
                features.append(x.permute(0, 3, 1, 2))
        return features

    def _checkpointed(self, block: nn.Module, adapt: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        def run(x: Tensor) -> Tensor:
            result: Tensor = block(adapt(x))
            return result

        if not torch.is_grad_enabled():
            return run(x)
        # A block draws no random numbers, so there is no generator state to restore.
        return cast(Tensor, checkpoint(run, x, use_reentrant=False, preserve_rng_state=False))
