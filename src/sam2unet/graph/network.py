"""The network for prediction as an ONNX graph: its size fixed, its batch free, its side heads left out.

What training needs apart is folded together: batch norm into the convolution before it, the scale and shift of layer
norms into the matrices after them, the scale of attention into the queries, and five convolutions that read the same
map into one.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .builder import Graph
from .metadata import KEY, GraphMetadata
from .token_order import Span, order_cells, token_places

if TYPE_CHECKING:
    import onnx

    from ..network import SAM2UNet

Array = NDArray[np.float32]


def network_graph(model: "SAM2UNet", metadata: GraphMetadata) -> "onnx.ModelProto":
    """The network in float32, as `metadata` says; its weights are copied.

    What comes in is called `images`, what goes out `probability` or `logits`.
    """
    card, size = metadata.card, metadata.card.size
    weights = Weights({name: value.detach().cpu().float().numpy() for name, value in model.state_dict().items()})
    position = model.trunk.position(size[0] // 4, size[1] // 4).detach().cpu().float().numpy()
    graph = Graph("SAM2-UNet")
    if metadata.uint8_input:
        images = graph.input("images", np.uint8, "batch", *size, 3)
        images = graph.add("Transpose", graph.add("Cast", images, to=1), perm=[0, 3, 1, 2])
        mean, std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (card.mean, card.std))
        images = graph.add("Sub", graph.add("Mul", images, 1 / (255 * std)), mean / std)
    else:
        images = graph.input("images", np.float32, "batch", 3, *size)
    stages = _Trunk(graph, weights, model, size).stages(images, position)
    maps = [_receptive_field(graph, weights.below(f"receptive_fields.{i}"), x) for i, x in enumerate(stages)]
    logits = graph.resize(_decoder(graph, weights.below("decoder"), maps, size), *size, corners="half_pixel")
    if metadata.probability:
        logits = graph.add("Sigmoid", logits) if card.classes == 1 else graph.add("Softmax", logits, axis=1)
    graph.output("probability" if metadata.probability else "logits", logits, "batch", card.classes, *size)
    graph.model.metadata_props.add(key=KEY, value=metadata.to_json())
    return graph.model


class Weights(dict[str, Array]):
    """Tensors by name."""

    def below(self, prefix: str) -> "Weights":
        """Those whose names begin with `prefix` and a dot, without these."""
        return Weights({name[len(prefix) + 1 :]: t for name, t in self.items() if name.startswith(f"{prefix}.")})

    def layer(self, name: str) -> tuple[Array, Array]:
        """Weight and bias."""
        return self[f"{name}.weight"], self[f"{name}.bias"]

    def after_norm(self, name: str, norm: str) -> tuple[Array, Array]:
        """A linear layer with the scale and shift of the layer norm before it."""
        (weight, bias), (scale, shift) = self.layer(name), self.layer(norm)
        return weight * scale, bias + weight @ shift

    def before_norm(self, conv: str, norm: str) -> tuple[Array, Array]:
        """A convolution without bias with the batch norm after it."""
        scale = self[f"{norm}.weight"] / np.sqrt(self[f"{norm}.running_var"] + np.float32(1e-5))
        return self[f"{conv}.weight"] * scale[:, None, None, None], (
            self[f"{norm}.bias"] - self[f"{norm}.running_mean"] * scale
        )


class _Trunk:
    """The trunk with its adapters, on tokens (batch, tokens, channels) in the order of `order`."""

    def __init__(self, graph: Graph, weights: Weights, model: "SAM2UNet", size: tuple[int, int]):
        self.graph, self.weights, self.config = graph, weights, model.trunk.config
        self.ends = model.trunk.stage_ends
        self.rows, self.columns = size[0] // 32, size[1] // 32
        self.side = self.config.window_spec[3]
        if self.config.window_spec != (8, 4, 2 * self.side, self.side):
            raise ValueError(f"windows of {self.config.window_spec} are not those of cells")
        self.cells, self.spans = order_cells(self.rows, self.columns, self.side)

    def stages(self, images: str, position: Array) -> list[str]:
        """What the four stages end with, as maps (batch, channels, height, width)."""
        g, dim = self.graph, self.config.embed_dim
        x = g.conv(images, *self.weights.layer("trunk.patch_embed.proj"), stride=4)
        x = g.add("Transpose", g.reshape(x, 0, dim, 64 * len(self.cells)), perm=[0, 2, 1])
        places = token_places(self.cells, self.columns, 8)
        x = g.add("Add", g.add("Gather", x, places, axis=1), position.reshape(1, -1, dim)[:, places])
        stages: list[str] = []
        for i in range(sum(self.config.stages)):
            x = self.adapter(x, self.weights.below(f"adapters.{i}"))
            # The first block of a stage has the windows of the stage before.
            pooled = i - 1 in self.ends
            x = self.block(x, self.weights.below(f"trunk.blocks.{i}"), i, len(stages) - pooled, pooled)
            if i in self.ends:
                stages.append(self.as_map(x, len(stages)))
        return stages

    def adapter(self, x: str, w: Weights) -> str:
        g = self.graph
        hidden = g.add("Gelu", g.linear(x, *w.layer("down")))
        return g.add("Add", x, g.add("Gelu", g.linear(hidden, *w.layer("up"))))

    def block(self, x: str, w: Weights, index: int, stage: int, pooled: bool) -> str:
        """Where queries are pooled, the shortcut is the normed input, projected and pooled."""
        g, width = self.graph, self.config.widths[stage]
        normed = self.norm(x, width)
        attended = self.attention(normed, w, index, stage, pooled)
        if pooled:
            width *= 2
            x = self.pool(g.linear(normed, *w.after_norm("proj", "norm1")), width)
        x = g.add("Add", x, attended)
        hidden = g.add("Gelu", g.linear(self.norm(x, width), *w.after_norm("mlp.layers.0", "norm2")))
        return g.add("Add", x, g.linear(hidden, *w.layer("mlp.layers.1")))

    def attention(self, normed: str, w: Weights, index: int, stage: int, pooled: bool) -> str:
        """In the windows of `stage` (0 to 3)."""
        g = self.graph
        keys = 4 ** (3 - stage)  # tokens of a cell
        queries = keys // 4 if pooled else keys
        everywhere = index in self.config.global_att_blocks
        if everywhere:
            spans = [Span(0, 1, len(self.cells))]
        else:
            spans = self.spans if stage > 1 else [Span(0, len(self.cells), 1)]
        whole = self.side**2 if stage > 1 and not everywhere else spans[0].cells

        weight, bias = w.after_norm("attn.qkv", "norm1")
        heads = self.config.num_heads << (stage + pooled)
        dim = len(bias) // 3
        # A token of the padding has the biases of keys and values as its own. Less these, which change nothing in
        # keys and are the same as a bias of the result in values, all its own are zero.
        padding = np.concatenate([np.zeros(dim, np.float32), w["attn.qkv.bias"][dim:]])
        scale = np.ones(3 * dim, np.float32)
        scale[:dim] = (dim // heads) ** -0.5
        qkv = g.linear(normed, weight * scale[:, None], (bias - padding) * scale)
        q, k, v = g.split(qkv, [dim, dim, dim], axis=2)
        if pooled:
            q = self.pool(q, dim)
        parts = []
        for span in spans:
            few, many = queries * span.cells, keys * span.cells
            cut = []
            for x, per_cell in ((q, queries), (k, keys), (v, keys)):
                if len(spans) > 1:
                    ends = span.first, span.first + span.windows * span.cells
                    x = g.add("Slice", x, *(np.array([per_cell * end]) for end in ends), np.array([1]))
                cut.append(g.reshape(x, -1, per_cell * span.cells, heads, dim // heads))
            absent = (whole - span.cells) * keys
            if absent:
                cut[1:] = [g.add("Pad", x, np.array([0, 0, 0, 0, 0, 1, 0, 0])) for x in cut[1:]]
            orders = [0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]
            q_, k_, v_ = (g.add("Transpose", x, perm=order) for x, order in zip(cut, orders, strict=True))
            scores = g.add("MatMul", q_, k_)
            if absent:
                # One key stands for all that are absent. Each query has a row of its own: OpenVINO 2026.4 goes wrong
                # in bf16 where they share one.
                added = np.zeros((1, 1, few, many + 1), np.float32)
                added[..., -1] = math.log(absent)
                scores = g.add("Add", scores, added)
            x = g.add("Transpose", g.add("MatMul", g.add("Softmax", scores, axis=-1), v_), perm=[0, 2, 1, 3])
            parts.append(g.reshape(x, -1, few * span.windows, dim))
        x = parts[0] if len(parts) == 1 else g.add("Concat", *parts, axis=1)
        weight, bias = w.layer("attn.proj")
        return g.linear(x, weight, bias + weight @ padding[2 * dim :])

    def norm(self, x: str, dim: int) -> str:
        """A layer norm without scale and shift."""
        return self.graph.add("LayerNormalization", x, np.ones(dim, np.float32), axis=-1, epsilon=1e-6)

    def pool(self, x: str, dim: int) -> str:
        """The largest of four tokens side by side."""
        g = self.graph
        return g.add("ReduceMax", g.reshape(x, 0, -1, 4, dim), np.array([2]), keepdims=0)

    def as_map(self, x: str, stage: int) -> str:
        """Row by row again."""
        g, side = self.graph, 8 >> stage
        places = np.argsort(token_places(self.cells, self.columns, side))
        x = g.add("Transpose", g.add("Gather", x, places, axis=1), perm=[0, 2, 1])
        return g.reshape(x, 0, self.config.widths[stage], self.rows * side, self.columns * side)


def _receptive_field(g: Graph, w: Weights, x: str) -> str:
    """As `network.ReceptiveField`."""
    first = [
        w.before_norm(f"{name}.0", f"{name}.1")
        for name in ("branches.0", "branches.1.0", "branches.2.0", "branches.3.0", "shortcut")
    ]
    weight, bias = map(np.concatenate, zip(*first, strict=True))
    *branches, shortcut = g.split(g.conv(x, weight, bias), [len(b) for _, b in first], axis=1)
    for branch, reach in ((1, 3), (2, 5), (3, 7)):
        for layer, dilation in ((1, 1), (2, 1), (3, reach)):
            name = f"branches.{branch}.{layer}"
            folded = w.before_norm(f"{name}.0", f"{name}.1")
            branches[branch] = g.conv(branches[branch], *folded, dilation=dilation)
    joined = g.conv(g.add("Concat", *branches, axis=1), *w.before_norm("join.0", "join.1"))
    return g.add("Relu", g.add("Add", joined, shortcut))


def _decoder(g: Graph, w: Weights, maps: list[str], size: tuple[int, int]) -> str:
    """As `network.Decoder`, the last head alone."""
    *skips, x = maps
    for step, skip in enumerate(reversed(skips)):
        stride = 16 >> step
        x = g.resize(x, size[0] // stride, size[1] // stride, corners="align_corners")
        x = g.add("Concat", skip, x, axis=1)
        for conv in (0, 3):
            name = f"ups.{step}.convs"
            x = g.add("Relu", g.conv(x, *w.before_norm(f"{name}.{conv}", f"{name}.{conv + 1}")))
    return g.conv(x, *w.layer("heads.2"))
