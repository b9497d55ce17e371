"""Training: recipes, samples, the Lightning module, runs that can be resumed, their report."""

from .recipe import Recipe, current_key, load_recipe, recipe_names, unknown_key
from .run import Run, rehearse, train

__all__ = ["Recipe", "Run", "current_key", "load_recipe", "recipe_names", "rehearse", "train", "unknown_key"]
