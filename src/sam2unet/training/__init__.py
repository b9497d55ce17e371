"""Training: recipes, samples, the Lightning module, runs that can be resumed, their report."""

from .recipe import Recipe, current_key, load_recipe, recipe_names, unknown_key
from .run import Run, dry_run, train

__all__ = ["Recipe", "Run", "current_key", "dry_run", "load_recipe", "recipe_names", "train", "unknown_key"]
