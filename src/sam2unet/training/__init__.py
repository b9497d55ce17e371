"""Training: recipes, the Lightning module and data module, callbacks, runs."""

from .recipe import Recipe, load_recipe, recipe_names
from .run import Run, train

__all__ = ["Recipe", "Run", "load_recipe", "recipe_names", "train"]
