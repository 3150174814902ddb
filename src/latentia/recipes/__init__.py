"""Recipes: YAML in, objects out; and the runs that they make."""

from latentia.recipes.build import build, json_schema, validate
from latentia.recipes.library import load_recipe, recipe_names
from latentia.recipes.recipe import Recipe

__all__ = ["Recipe", "build", "json_schema", "load_recipe", "recipe_names", "validate"]
