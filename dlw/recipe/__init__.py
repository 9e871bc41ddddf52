"""Recipes: parse, schema, compose, check."""
