"""A trunk of few, narrow blocks for fast tests, and short recipes."""

from sam2unet.network import HIERA_CONFIGS, HieraConfig

# With the tiny trunk's windows: two stages have cut windows at any size below 448.
PICO = HieraConfig(
    hub_id="pico", embed_dim=16, num_heads=1, stages=(1, 1, 2, 1), global_att_blocks=(3,), window_spec=(8, 4, 14, 7),
    pos_embed_grid=7,
)  # fmt: skip
SHORT = {
    "trunk": "pico", "trunk_weights": "none", "size": 64, "epochs": 3, "batch_size": 2, "workers": 0,
    "precision": "32-true", "plan": [],
}  # fmt: skip
EVERY_STEP = SHORT | {"save_minutes": 0}
"""Writes a checkpoint after each step, which takes longer than the step."""


VERSION_0_1 = "nano"
"""Name of the trunk when the files in `version_0_1` were written; today another trunk is called so."""


def register() -> None:
    """Add the trunk to the known ones, in this process."""
    HIERA_CONFIGS["pico"] = PICO
