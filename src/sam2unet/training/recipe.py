"""Recipes: everything that a training run depends on beside its data."""

import logging
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ..card import nearest_multiple
from ..errors import InputError
from ..files import atomic_path
from ..network import HIERA_CONFIGS, AdapterInit
from ..weights import read_recipe


def _known_trunk(name: str) -> str:
    if name not in HIERA_CONFIGS:
        raise ValueError(f"choose from {', '.join(HIERA_CONFIGS)}")
    return name


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a whole number is wanted")
    return value


Whole = Annotated[int, BeforeValidator(_no_bool)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Side = Annotated[int, Field(ge=1, le=8192), AfterValidator(nearest_multiple)]
MODELS = (".safetensors", ".pth", ".pt")
RENAMED = {"recompute": "activation_checkpointing", "stretch": "normalise_range"}
"""Keys of 0.1's recipes, and their names today."""
AUGMENTATION = ("flip_horizontal", "flip_vertical", "rotation", "zoom", "crop", "colour", "blur", "noise")


class Recipe(BaseModel):
    """The keys of a recipe; recipes/general.yaml says what each means and holds the defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    trunk: Annotated[str, AfterValidator(_known_trunk)]
    trunk_weights: str
    start_from: str | None
    train_trunk: Literal["auto", "none", "all"] | Annotated[Whole, Field(ge=1)]
    adapter_init: AdapterInit
    classes: Annotated[Whole, Field(ge=1, le=254)]
    class_names: list[str]
    class_weights: list[Annotated[float, Field(ge=0)]]
    seed: Annotated[Whole, Field(ge=0, le=2**32 - 1)]
    epochs: Annotated[Whole, Field(ge=1)]
    batch_size: Annotated[Whole, Field(ge=1)]
    accumulate: Annotated[Whole, Field(ge=1)]
    size: Side | tuple[Side, Side]
    multi_scale: Annotated[list[Annotated[float, Field(ge=0.1, le=10)]], Field(min_length=1)]
    lr: Positive
    trunk_lr: Positive
    lr_schedule: Literal["step", "epoch"]
    min_lr: Annotated[float, Field(ge=0)]
    warmup: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    clip_norm: Positive | None
    ema: Annotated[float, Field(gt=0, lt=1)] | None
    weighted_bce: bool
    precision: Literal["auto", "32-true", "bf16-mixed", "64-true"]
    activation_checkpointing: Literal["auto"] | Share
    workers: Annotated[Whole, Field(ge=0)]
    save_minutes: Annotated[float, Field(ge=0)]
    val_share: Annotated[float, Field(gt=0, lt=1)]
    val_group: str | None
    flip_horizontal: Share
    flip_vertical: Share
    rotation: Annotated[float, Field(ge=0, le=180)]
    zoom: tuple[Positive, Positive]
    crop: Annotated[float, Field(gt=0, le=1)]
    colour: Share
    blur: Annotated[float, Field(ge=0)]
    noise: Annotated[float, Field(ge=0)]
    mask_resize: Literal["bicubic", "nearest"]
    normalise_range: bool

    @model_validator(mode="after")
    def _fitting(self) -> "Recipe":
        if self.classes > 1 and self.weighted_bce:
            raise ValueError("weighted_bce is defined for classes 1")
        if self.class_names and self.classes > 1 and len(self.class_names) != self.classes:
            raise ValueError(f"{len(self.class_names)} class_names for {self.classes} classes (background counts)")
        if self.class_weights and len(self.class_weights) != self.classes:
            raise ValueError(f"{len(self.class_weights)} class_weights for {self.classes} classes (background counts)")
        if self.class_weights and (self.classes == 1 or not any(self.class_weights)):
            raise ValueError("class_weights are defined for several classes, not all of them 0")
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr is {self.min_lr:g}, above lr")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError("class_names holds a name twice")
        if 3 * self.blur >= min(self.height_width) * min(self.multi_scale) - 1:
            raise ValueError(f"blur is {self.blur:g}: it must be below a third of the smallest side")
        if self.zoom[0] > self.zoom[1]:
            raise ValueError(f"zoom is {list(self.zoom)}: the smallest factor comes first")
        return self

    @property
    def augmentation(self) -> dict[str, Any]:
        """The arguments of `data.Augmentation`."""
        return {key: getattr(self, key) for key in AUGMENTATION}

    @property
    def height_width(self) -> tuple[int, int]:
        """The size that pictures are resized to."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(Path(file.name).stem for file in resources.files(__package__).joinpath("recipes").iterdir())


def load_recipe(name_or_file: str | Path = "general", changes: dict[str, Any] | None = None) -> Recipe:
    """A recipe of the package, from a YAML file, or of a model file, over `general`, with single keys changed.

    Raises:
        InputError: no such recipe, or a key or value that isn't allowed; the message names each.
    """
    values = _read("general") | (_read(name_or_file) if name_or_file != "general" else {})
    values |= rename_keys(changes or {}, "recipe")
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise InputError(f"recipe {name_or_file}: " + "; ".join(_sentence(e) for e in error.errors())) from error


def _read(name_or_file: str | Path) -> dict[str, Any]:
    packaged = resources.files(__package__).joinpath("recipes", f"{name_or_file}.yaml")
    source = packaged if packaged.is_file() else Path(name_or_file)
    if not source.is_file():
        known = ", ".join(recipe_names())
        raise InputError(f"no recipe {name_or_file}: choose from {known}, or give a YAML file or a model")
    if isinstance(source, Path) and source.suffix in MODELS:
        return rename_keys(read_recipe(source), source)
    try:
        content = yaml.safe_load(source.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{name_or_file}: broken YAML ({' '.join(str(error).split())})") from error
    if not isinstance(content, dict):
        raise InputError(f"{name_or_file}: a recipe is lines of `key: value`")
    return rename_keys(content, name_or_file)


def current_key(key: str) -> str | None:
    """Today's name of a key, or None if there is no such key."""
    key = RENAMED.get(key, key)
    return key if key in Recipe.model_fields else None


def rename_keys(values: dict[str, Any], source: object) -> dict[str, Any]:
    """Replace the key names of 0.1 by today's, and log one line that says so."""
    old = [key for key in values if key in RENAMED]
    if old:
        renamed = ", ".join(f"{key} is now {RENAMED[key]}" for key in old)
        logging.getLogger("sam2unet").warning("%s: %s; the old names are still read", source, renamed)
    return {RENAMED.get(key, key): value for key, value in values.items()}


def unknown_key(key: str) -> str:
    """A sentence that lists the known keys."""
    return f"unknown key {key} (known: {', '.join(Recipe.model_fields)})"


def _sentence(error: Any) -> str:
    key = ".".join(str(part) for part in error["loc"] if part in Recipe.model_fields) or "together"
    if error["type"] == "extra_forbidden":
        return unknown_key(".".join(map(str, error["loc"])))
    return (
        f"{key} is {error['input']!r}: {error['msg'].removeprefix('Value error, ')}"
        if key != "together"
        else error["msg"]
    )


def save_recipe(recipe: Recipe, path: Path) -> None:
    """Write the resolved recipe as YAML."""
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
