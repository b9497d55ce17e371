"""The network for prediction as an ONNX graph with a fixed image size, a free batch size and the main output only.

Weights are folded where that changes no result: batch norms into the convolutions before them, the scale and shift of
layer norms into the linear layers after them, the scale of attention into the projection of the queries, and the five
convolutions of a receptive-field block that read the same map into one.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .builder import GraphBuilder
from .metadata import KEY, GraphMetadata
from .token_order import WindowRun, order_cells, order_tokens

if TYPE_CHECKING:
    import onnx

    from ..network import SAM2UNet

Array = NDArray[np.float32]


def network_graph(model: "SAM2UNet", metadata: GraphMetadata) -> "onnx.ModelProto":
    """Build the float32 graph of a network.

    Args:
        model: unchanged; its weights are copied.
        metadata: size and layout of the graph's input and output; stored in the graph.

    Returns:
        A model whose input is called `images` and whose output `probability` or `logits`; see `GraphMetadata`.

    Raises:
        ValueError: the windows of the trunk don't consist of whole cells of 32x32 pixels; see `token_order`.
    """
    card, size = metadata.card, metadata.card.size
    weights = Weights({name: value.detach().cpu().float().numpy() for name, value in model.state_dict().items()})
    position = model.trunk.position(size[0] // 4, size[1] // 4).detach().cpu().float().numpy()
    builder = GraphBuilder("SAM2-UNet")
    if metadata.uint8_input:
        images = builder.input("images", np.uint8, "batch", *size, 3)
        images = builder.add("Transpose", builder.add("Cast", images, to=1), perm=[0, 3, 1, 2])
        mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (card.mean, card.std))
        images = builder.add("Sub", builder.add("Mul", images, 1 / (255 * std)), mean / std)
    else:
        images = builder.input("images", np.float32, "batch", 3, *size)
    stages = _Trunk(builder, weights, model, size).stages(images, position)
    maps = [_receptive_field(builder, weights.submodule(f"receptive_fields.{i}"), x) for i, x in enumerate(stages)]
    x = _decoder(builder, weights.submodule("decoder"), maps, size)
    if card.detail:
        logits = _detail_branch(builder, weights.submodule("detail"), images, x, size)
    else:
        logits = builder.conv(x, *weights.layer("decoder.heads.2"))
        logits = builder.resize(logits, *size, coordinates="half_pixel")
    if metadata.probability:
        logits = builder.add("Sigmoid", logits) if card.classes == 1 else builder.add("Softmax", logits, axis=1)
    builder.output("probability" if metadata.probability else "logits", logits, "batch", card.classes, *size)
    builder.model.metadata_props.add(key=KEY, value=metadata.to_json())
    return builder.model


class Weights(dict[str, Array]):
    """A state dict as NumPy arrays."""

    def submodule(self, name: str) -> "Weights":
        """Return the state dict of the submodule `name`."""
        return Weights({key[len(name) + 1 :]: value for key, value in self.items() if key.startswith(f"{name}.")})

    def layer(self, name: str) -> tuple[Array, Array]:
        """Return the weight and the bias of a layer."""
        return self[f"{name}.weight"], self[f"{name}.bias"]

    def linear_after_norm(self, linear: str, norm: str) -> tuple[Array, Array]:
        """Return weight and bias of a linear layer, with the scale and shift of the layer norm before it folded in."""
        (weight, bias), (scale, shift) = self.layer(linear), self.layer(norm)
        return weight * scale, bias + weight @ shift

    def conv_before_norm(self, conv: str, norm: str) -> tuple[Array, Array]:
        """Return weight and bias of a convolution without bias, with the batch norm after it folded in."""
        scale = self[f"{norm}.weight"] / np.sqrt(self[f"{norm}.running_var"] + np.float32(1e-5))
        return self[f"{conv}.weight"] * scale[:, None, None, None], (
            self[f"{norm}.bias"] - self[f"{norm}.running_mean"] * scale
        )


class _Trunk:
    """The trunk with its adapters, on token sequences (batch, tokens, channels) in the order of `token_order`.

    For example, six cells in two rows and three columns, with windows of two cells a side:

        map of cells     sequence     windows
        A B | C          A B D E C F  (A B D E), a whole one, and (C F), cut at the right
        D E | F

    In stage 3 a cell has four tokens, so the sequence is A1 A2 A3 A4 B1 ... F4. Splitting it into windows takes a slice
    for each run of equal windows and a reshape to (windows, tokens, channels). Pooling 2x2 takes the maximum of each
    four neighbours and leaves A B D E C F, the sequence of stage 4.
    """

    def __init__(self, builder: GraphBuilder, weights: Weights, model: "SAM2UNet", size: tuple[int, int]):
        self.builder, self.weights, self.config = builder, weights, model.trunk.config
        self.stage_ends = model.trunk.stage_ends
        self.rows, self.columns = size[0] // 32, size[1] // 32
        self.window_side = self.config.window_spec[3]  # in cells
        if self.config.window_spec != (8, 4, 2 * self.window_side, self.window_side):
            raise ValueError(
                f"windows of {self.config.window_spec} tokens do not consist of whole cells of 32x32 pixels"
            )
        self.cells, self.window_runs = order_cells(self.rows, self.columns, self.window_side)

    def stages(self, images: str, position: Array) -> list[str]:
        """Return the maps (batch, channels, height, width) at the end of the four stages.

        Args:
            images: (batch, 3, height, width), normalised.
            position: the position embedding (1, height / 4, width / 4, channels).
        """
        b, dim = self.builder, self.config.embed_dim
        x = b.conv(images, *self.weights.layer("trunk.patch_embed.proj"), stride=4)
        x = b.add("Transpose", b.reshape(x, 0, dim, 64 * len(self.cells)), perm=[0, 2, 1])
        order = order_tokens(self.cells, self.columns, cell_side=8)
        x = b.add("Add", b.add("Gather", x, order, axis=1), position.reshape(1, -1, dim)[:, order])
        stages: list[str] = []
        for i in range(sum(self.config.stages)):
            x = self.adapter(x, self.weights.submodule(f"adapters.{i}"))
            # The first block of a stage pools, and still has the windows of the stage before.
            pool = i - 1 in self.stage_ends
            x = self.block(x, self.weights.submodule(f"trunk.blocks.{i}"), i, len(stages) - pool, pool)
            if i in self.stage_ends:
                stages.append(self.as_map(x, len(stages)))
        return stages

    def adapter(self, x: str, w: Weights) -> str:
        """See `network.Adapter`."""
        b = self.builder
        hidden = b.add("Gelu", b.linear(x, *w.layer("down")))
        return b.add("Add", x, b.add("Gelu", b.linear(hidden, *w.layer("up"))))

    def block(self, x: str, w: Weights, index: int, stage: int, pool: bool) -> str:
        """Append block `index`, see `network.hiera.Block`; `stage` (0 to 3) is the one of its input and its windows."""
        b, width = self.builder, self.config.widths[stage]
        normed = self.norm(x, width)
        attended = self.attention(normed, w, index, stage, pool)
        if pool:
            width *= 2
            x = self.max_pool(b.linear(normed, *w.linear_after_norm("proj", "norm1")), width)
        x = b.add("Add", x, attended)
        hidden = b.add("Gelu", b.linear(self.norm(x, width), *w.linear_after_norm("mlp.layers.0", "norm2")))
        return b.add("Add", x, b.linear(hidden, *w.layer("mlp.layers.1")))

    def attention(self, normed: str, w: Weights, index: int, stage: int, pool: bool) -> str:
        """Append the attention of block `index`, see `network.hiera.Attention`.

        SAM2 pads windows that are cut off. A padded token is zero, so its key and value are the biases of their
        projections. Here both biases are subtracted from all keys and values, so that those of padded tokens are zero.
        Subtracting one vector from all keys doesn't change the softmax; subtracting one from all values subtracts it
        from the result, to which the bias of the output projection adds it again.
        """
        b = self.builder
        weight, bias = w.linear_after_norm("attn.qkv", "norm1")
        heads = self.config.num_heads << (stage + pool)
        dim = len(bias) // 3
        padded_qkv = np.concatenate([np.zeros(dim, np.float32), w["attn.qkv.bias"][dim:]])
        scale = np.ones(3 * dim, np.float32)
        scale[:dim] = (dim // heads) ** -0.5
        qkv = b.linear(normed, weight * scale[:, None], (bias - padded_qkv) * scale)
        q, k, v = b.split(qkv, [dim, dim, dim], axis=2)
        if pool:
            q = self.max_pool(q, dim)
        cell_keys = 4 ** (3 - stage)  # tokens of a cell
        cell_queries = cell_keys // 4 if pool else cell_keys
        runs, whole_cells = self.windows(index, stage)
        results = []
        for run in runs:
            queries, keys = cell_queries * run.window_cells, cell_keys * run.window_cells
            parts = []
            for x, cell_tokens in ((q, cell_queries), (k, cell_keys), (v, cell_keys)):
                if len(runs) > 1:
                    ends = run.first_cell, run.first_cell + run.windows * run.window_cells
                    x = b.add("Slice", x, *(np.array([cell_tokens * end]) for end in ends), np.array([1]))
                parts.append(b.reshape(x, -1, cell_tokens * run.window_cells, heads, dim // heads))
            num_padded = whole_cells * cell_keys - keys
            x = self.attend(parts[0], parts[1], parts[2], queries, keys, num_padded)
            results.append(b.reshape(x, -1, queries * run.windows, dim))
        x = results[0] if len(results) == 1 else b.add("Concat", *results, axis=1)
        weight, bias = w.layer("attn.proj")
        return b.linear(x, weight, bias + weight @ padded_qkv[2 * dim :])

    def windows(self, index: int, stage: int) -> tuple[list[WindowRun], int]:
        """Return the windows of block `index`, and the number of cells of a window that is not cut off."""
        if index in self.config.global_att_blocks:
            return [WindowRun(0, 1, len(self.cells))], len(self.cells)
        if stage > 1:
            return self.window_runs, self.window_side**2
        return [WindowRun(0, len(self.cells), 1)], 1

    def attend(self, q: str, k: str, v: str, queries: int, keys: int, num_padded: int) -> str:
        """Return softmax(q k^T) v in each window.

        Args:
            q: (batch * windows, queries, heads, dim), already scaled.
            k: (batch * windows, keys, heads, dim).
            v: (batch * windows, keys, heads, dim).
            queries: length of the sequence q.
            keys: length of the sequences k and v.
            num_padded: number of padded tokens, whose keys and values are zero.

        Returns:
            (batch * windows, queries, heads, dim).
        """
        b = self.builder
        if num_padded:
            k, v = (b.add("Pad", x, np.array([0, 0, 0, 0, 0, 1, 0, 0])) for x in (k, v))
        q, k, v = (
            b.add("Transpose", x, perm=perm) for x, perm in ((q, [0, 2, 1, 3]), (k, [0, 2, 3, 1]), (v, [0, 2, 1, 3]))
        )
        scores = b.add("MatMul", q, k)
        if num_padded:
            # One zero key stands for all padded tokens: n keys of score s weigh as much as one of score s + log n.
            # Each query has its own row: OpenVINO 2026.4 is wrong in bf16 if they share one by broadcasting.
            score_bias = np.zeros((1, 1, queries, keys + 1), np.float32)
            score_bias[..., -1] = math.log(num_padded)
            scores = b.add("Add", scores, score_bias)
        return b.add("Transpose", b.add("MatMul", b.add("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])

    def norm(self, x: str, dim: int) -> str:
        """Append a layer norm without scale and shift, which are folded into the next layer."""
        return self.builder.add("LayerNormalization", x, np.ones(dim, np.float32), axis=-1, epsilon=1e-6)

    def max_pool(self, x: str, dim: int) -> str:
        """Pool 2x2 tokens, which are neighbours in the sequence: (batch, tokens, dim) -> (batch, tokens / 4, dim)."""
        b = self.builder
        return b.add("ReduceMax", b.reshape(x, 0, -1, 4, dim), np.array([2]), keepdims=0)

    def as_map(self, x: str, stage: int) -> str:
        """Return the sequence of a stage as a map (batch, channels, height, width)."""
        b, cell_side = self.builder, 8 >> stage
        row_major = np.argsort(order_tokens(self.cells, self.columns, cell_side))
        x = b.add("Transpose", b.add("Gather", x, row_major, axis=1), perm=[0, 2, 1])
        return b.reshape(x, 0, self.config.widths[stage], self.rows * cell_side, self.columns * cell_side)


def _receptive_field(b: GraphBuilder, w: Weights, x: str) -> str:
    """See `network.ReceptiveField`."""
    # The first convolutions of the branches and the shortcut read the same map: one convolution computes them all.
    first = [
        w.conv_before_norm(f"{name}.0", f"{name}.1")
        for name in ("branches.0", "branches.1.0", "branches.2.0", "branches.3.0", "shortcut")
    ]
    weight, bias = map(np.concatenate, zip(*first, strict=True))
    *branches, shortcut = b.split(b.conv(x, weight, bias), [len(bias) for _, bias in first], axis=1)
    for branch, reach in ((1, 3), (2, 5), (3, 7)):
        for layer, dilation in ((1, 1), (2, 1), (3, reach)):
            name = f"branches.{branch}.{layer}"
            folded = w.conv_before_norm(f"{name}.0", f"{name}.1")
            branches[branch] = b.conv(branches[branch], *folded, dilation=dilation)
    joined = b.conv(b.add("Concat", *branches, axis=1), *w.conv_before_norm("join.0", "join.1"))
    return b.add("Relu", b.add("Add", joined, shortcut))


def _decoder(b: GraphBuilder, w: Weights, maps: list[str], size: tuple[int, int]) -> str:
    """Return the last map, at stride 4; see `network.Decoder`."""
    *skips, x = maps
    for step, skip in enumerate(reversed(skips)):
        x = _up_step(b, w.submodule(f"ups.{step}"), x, skip, (size[0] * 2**step // 16, size[1] * 2**step // 16))
    return x


def _up_step(b: GraphBuilder, w: Weights, x: str, skip: str, size: tuple[int, int]) -> str:
    """See `network.UpStep`."""
    x = b.add("Concat", skip, b.resize(x, *size, coordinates="align_corners"), axis=1)
    return _convs(b, w.submodule("convs"), x)


def _convs(b: GraphBuilder, w: Weights, x: str, stride: int = 1) -> str:
    """Append one or two convolutions with norm and ReLU; the first has the stride. Batch norms are folded."""
    for conv, norm in (("0", "1"), ("3", "4")):
        if f"{conv}.weight" not in w:
            break
        stride_here = stride if conv == "0" else 1
        if f"{norm}.running_var" in w:
            x = b.conv(x, *w.conv_before_norm(conv, norm), stride=stride_here)
        else:
            weight = w[f"{conv}.weight"]
            x = b.conv(x, weight, np.zeros(len(weight), np.float32), stride=stride_here)
            x = b.add("InstanceNormalization", x, *w.layer(norm), epsilon=1e-5)
        x = b.add("Relu", x)
    return x


def _detail_branch(b: GraphBuilder, w: Weights, images: str, x: str, size: tuple[int, int]) -> str:
    """Return the logits, at stride 1; see `network.DetailBranch`."""
    pixels = _convs(b, w.submodule("fine_stem"), images)
    stem = _convs(b, w.submodule("stem"), pixels, stride=2)
    x = _up_step(b, w.submodule("up"), b.conv(x, *w.layer("reduce")), stem, (size[0] // 2, size[1] // 2))
    x = b.add("DepthToSpace", b.conv(x, *w.layer("spread")), blocksize=2, mode="CRD")
    return b.conv(_convs(b, w.submodule("fine_convs"), b.add("Concat", pixels, x, axis=1)), *w.layer("head"))
