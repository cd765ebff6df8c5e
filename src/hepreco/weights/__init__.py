"""Trained weights: safetensors beside a card, checked by hash, loaded once per worker process."""

from hepreco.lazy import former_names
from hepreco.weights.card import Card, read_card
from hepreco.weights.card import Option as Option
from hepreco.weights.store import load_network, read_weights, save_weights

__all__ = ["Card", "load_network", "read_card", "read_weights", "save_weights"]

__getattr__ = former_names(__name__, {"Manifest": "Card", "read_manifest": "read_card"})
