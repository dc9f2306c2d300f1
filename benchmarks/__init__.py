"""Measurements of this project; nothing of the product imports them."""
