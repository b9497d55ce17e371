"""What the values in masks mean, and masks by that reading."""
