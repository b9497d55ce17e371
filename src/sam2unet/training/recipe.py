"""Recipes: all settings of a training run but its data and device."""

import dataclasses
import logging
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ..card import STRIDE, nearest_multiple
from ..data import DataOptions
from ..errors import InputError
from ..files import atomic_path
from ..network import HIERA_CONFIGS, AdapterInit
from ..weights import read_recipe


def _known_trunk(name: str) -> str:
    if name not in HIERA_CONFIGS:
        raise ValueError(f"choose from {', '.join(HIERA_CONFIGS)}")
    return name


def _known_planned(key: str) -> str:
    if key not in PLANNED:
        raise ValueError(f"a plan decides {', '.join(PLANNED)}")
    return key


def _reject_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("it must be a whole number")
    return value


def _path_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


Text = Annotated[str, BeforeValidator(_path_as_text)]
Whole = Annotated[int, BeforeValidator(_reject_bool)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Length = Annotated[int, Field(ge=1, le=8192), AfterValidator(nearest_multiple)]
MODEL_SUFFIXES = (".safetensors", ".pth", ".pt")
RENAMED = {"recompute": "activation_checkpointing", "stretch": "normalise_range"}
"""Keys of recipes written by 0.1, and their names today."""
PLANNED = (
    "trunk", "size", "tile", "tile_zoom", "object_share", "detail", "steps", "epoch_steps", "batch_size", "lr",
    "trunk_lr", "loss", "flip_horizontal", "flip_vertical", "quarter_turns", "colour",
)  # fmt: skip
"""Keys whose values can be chosen from the training data; see `plan.make_plan`."""
AUGMENTATION = (
    "flip_horizontal", "flip_vertical", "quarter_turns", "rotation", "zoom", "crop", "colour", "blur", "noise"
)  # fmt: skip


class Recipe(BaseModel):
    """Settings of a training run; `recipes/general.yaml` explains every key and holds the defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    plan: list[Annotated[str, AfterValidator(_known_planned)]]
    trunk: Annotated[str, AfterValidator(_known_trunk)]
    trunk_weights: Text
    start_from: Text | None
    train_trunk: Literal["auto", "none", "all"] | Annotated[Whole, Field(ge=1)]
    adapter_init: AdapterInit
    detail: Annotated[Whole, Field(ge=0, le=256, multiple_of=4)]
    classes: Annotated[Whole, Field(ge=1, le=254)]
    class_names: list[str]
    class_weights: list[Annotated[float, Field(ge=0)]]
    seed: Annotated[Whole, Field(ge=0, le=2**32 - 1)]
    epochs: Annotated[Whole, Field(ge=1)] | None
    steps: Annotated[Whole, Field(ge=1)] | None
    epoch_steps: Annotated[Whole, Field(ge=1)]
    batch_size: Annotated[Whole, Field(ge=1)]
    accumulate: Annotated[Whole, Field(ge=1)]
    size: Length | tuple[Length, Length]
    tile: Annotated[Whole, Field(ge=32, le=8192)] | None
    tile_zoom: Annotated[float, Field(ge=0.1, le=8)]
    tile_overlap: Annotated[float, Field(ge=0, le=0.5)]
    object_share: Fraction
    multi_scale: Annotated[list[Annotated[float, Field(ge=0.1, le=10)]], Field(min_length=1)]
    lr: Positive
    trunk_lr: Positive
    lr_schedule: Literal["step", "epoch"]
    min_lr: Annotated[float, Field(ge=0)]
    warmup: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    clip_norm: Positive | None
    ema: Annotated[float, Field(gt=0, lt=1)] | None
    loss: Literal["structure", "dice"]
    weighted_bce: bool
    precision: Literal["auto", "32-true", "bf16-mixed"]
    activation_checkpointing: Literal["auto"] | Fraction
    workers: Annotated[Whole, Field(ge=0)]
    save_minutes: Annotated[float, Field(ge=0)]
    images: str | None
    masks: str | None
    pairs: Text | None
    mask_values: Text | None
    instances: bool
    layers: Annotated[Whole, Field(ge=0)] | None
    crowds: Literal["object", "ignore"]
    boxes: Literal["ask", "skip", "fill"]
    line_width: Positive | None
    ignore_exif: bool
    val_share: Annotated[float, Field(gt=0, lt=1)]
    val_group: str | None
    flip_horizontal: Fraction
    flip_vertical: Fraction
    quarter_turns: Fraction
    rotation: Annotated[float, Field(ge=0, le=180)]
    zoom: tuple[Positive, Positive]
    crop: Annotated[float, Field(gt=0, le=1)]
    colour: Fraction
    blur: Annotated[float, Field(ge=0)]
    noise: Annotated[float, Field(ge=0)]
    mask_resize: Literal["bicubic", "nearest"]
    normalise_range: bool

    @model_validator(mode="after")
    def _check_classes(self) -> "Recipe":
        if self.classes > 1 and self.weighted_bce:
            raise ValueError("weighted_bce is defined for classes 1 only")
        if self.weighted_bce and self.loss != "structure":
            raise ValueError("weighted_bce is part of the loss structure only")
        if self.class_names and self.classes > 1 and len(self.class_names) != self.classes:
            raise ValueError(f"{len(self.class_names)} class_names for {self.classes} classes, including background")
        if self.class_weights and len(self.class_weights) != self.classes:
            raise ValueError(
                f"{len(self.class_weights)} class_weights for {self.classes} classes, including background"
            )
        if self.class_weights and (self.classes == 1 or not any(self.class_weights)):
            raise ValueError("class_weights are defined for several classes, not all of them 0")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError("class_names contains a name twice")
        return self

    @model_validator(mode="after")
    def _check_ranges(self) -> "Recipe":
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps, and set the other to null")
        if self.tile and "tile_zoom" not in self.plan:
            side = self.tile * self.tile_zoom
            if abs(side - nearest_multiple(side)) > 0.5:
                nearest = nearest_multiple(side) / self.tile_zoom
                raise ValueError(
                    f"tile is {self.tile} and tile_zoom {self.tile_zoom:g}: the network's input would have {side:g} "
                    f"pixels a side, no multiple of {STRIDE}; the nearest tile is {nearest:g}"
                )
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr is {self.min_lr:g}, above lr")
        if 3 * self.blur >= min(self.height_width) * min(self.multi_scale) - 1:
            raise ValueError(f"blur is {self.blur:g}: it must be below a third of the smallest side")
        if self.zoom[0] > self.zoom[1]:
            raise ValueError(f"zoom is {list(self.zoom)}: the smallest factor comes first")
        return self

    @property
    def augmentation(self) -> dict[str, Any]:
        """The arguments of `Augmentation`."""
        return {key: getattr(self, key) for key in AUGMENTATION}

    @property
    def data_options(self) -> DataOptions:
        """How the data is found and read."""
        names = {field.name for field in dataclasses.fields(DataOptions)}
        values = {key: value for key, value in self if key in names}
        pairs = Path(self.pairs) if self.pairs else None
        return DataOptions(**values | {"class_names": tuple(self.class_names), "pairs": pairs})

    @property
    def height_width(self) -> tuple[int, int]:
        """The network's input: the size that images, or tiles, are resized to: (height, width)."""
        if self.tile:
            side = round(self.tile * self.tile_zoom)
            return side, side
        return (self.size, self.size) if isinstance(self.size, int) else self.size


def recipe_names() -> list[str]:
    """Return the names of the packaged recipes."""
    return sorted(Path(file.name).stem for file in resources.files(__package__).joinpath("recipes").iterdir())


def load_recipe(name_or_file: str | Path = "general", changes: dict[str, Any] | None = None) -> Recipe:
    """Load a recipe; keys that it leaves out are those of `general`.

    Args:
        name_or_file: a packaged recipe's name, a YAML file, or a model file, which holds the recipe of its training.
        changes: values that replace those of single keys.

    Raises:
        InputError: there is no such recipe, or a key or value is not allowed; the message names each of them.
    """
    values = _read("general")
    for keys in (_read(name_or_file) if name_or_file != "general" else {}, _accept_old_keys(changes or {}, "recipe")):
        values = _override(values, keys)
    return _validated(values, name_or_file)


def settle(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """Give keys that a recipe leaves to a plan their values; keys that are settled already keep theirs."""
    chosen = {key: value for key, value in values.items() if key in recipe.plan}
    return _validated(_override(recipe.model_dump(mode="json"), chosen), "auto")


def _validated(values: dict[str, Any], name: str | Path) -> Recipe:
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise InputError(f"recipe {name}: " + "; ".join(_sentence(e) for e in error.errors())) from error


def _override(values: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a recipe with those of some keys replaced, and with what that implies for others.

    A length in epochs replaces one in steps, and the other way round; and what is given is not left to a plan.
    """
    for given, other in (("epochs", "steps"), ("steps", "epochs")):
        if keys.get(given) is not None and other not in keys:
            values = values | {other: None}
    values = values | keys
    if not isinstance(values["plan"], list):
        return values
    settled = {*keys, *(["steps"] if "epochs" in keys else []), *(["tile", "tile_zoom"] if "size" in keys else [])}
    return values | {"plan": [key for key in values["plan"] if key not in settled]}


def _read(name_or_file: str | Path) -> dict[str, Any]:
    packaged = resources.files(__package__).joinpath("recipes", f"{name_or_file}.yaml")
    source = packaged if packaged.is_file() else Path(name_or_file)
    if not source.is_file():
        known = ", ".join(recipe_names())
        raise InputError(f"no recipe {name_or_file}: choose from {known}, or name a YAML file or a model file")
    if isinstance(source, Path) and source.suffix in MODEL_SUFFIXES:
        return _accept_old_keys(read_recipe(source), source)
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{name_or_file}: not valid YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise InputError(f"{name_or_file}: not a recipe, which consists of lines of `key: value`")
    return _accept_old_keys(content, name_or_file)


def current_key(key: str) -> str | None:
    """Return the name of a key today, or None if there is no such key."""
    key = RENAMED.get(key, key)
    return key if key in Recipe.model_fields else None


def rename_keys(values: dict[str, Any]) -> dict[str, Any]:
    """Replace the keys of 0.1 by those of today."""
    return {RENAMED.get(key, key): value for key, value in values.items()}


def _accept_old_keys(values: dict[str, Any], source: object) -> dict[str, Any]:
    """Rename the keys of 0.1, and log which ones `source` uses."""
    old = ", ".join(f"{key} is now {RENAMED[key]}" for key in values if key in RENAMED)
    if old:
        logging.getLogger("sam2unet").warning("%s: %s; the old names are still read", source, old)
    return rename_keys(values)


def unknown_key(key: str) -> str:
    """Return the message for a key that does not exist, with those that do."""
    return f"unknown key {key} (known: {', '.join(Recipe.model_fields)})"


def _sentence(error: Any) -> str:
    """Describe one of pydantic's errors."""
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        return unknown_key(".".join(map(str, error["loc"])))
    key = ".".join(str(step) for step in error["loc"] if step in Recipe.model_fields)
    return f"{key} is {error['input']!r}: {message}" if key else message


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write every key of a recipe as YAML."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
