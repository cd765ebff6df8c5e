"""Trained weights: safetensors with a manifest, checked by hash, loaded once per worker process."""

from hepreco.weights.manifest import Manifest, Option, read_manifest
from hepreco.weights.store import load_network, read_weights, save_weights

__all__ = ["Manifest", "Option", "load_network", "read_manifest", "read_weights", "save_weights"]
