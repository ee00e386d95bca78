"""Reads the raw pictures that examples/draw.rs wrote: SET.rgb, 64 x 64 x RGB bytes each."""

from pathlib import Path

import numpy as np

SIZE = 64
CLASSES = 5
THINGS = 18


def read(folder, name, classes):
    """Pictures (n, 64, 64, 3) as bytes and labels; picture k has label k modulo `classes`."""
    raw = np.fromfile(Path(folder) / f"{name}.rgb", np.uint8)
    pictures = raw.reshape(-1, SIZE, SIZE, 3)
    return pictures, np.arange(len(pictures), dtype=np.int64) % classes


def preprocess(pictures):
    """0..255 to -1..1, as the recipe does it."""
    return (pictures / np.float32(127.5) - np.float32(1)).astype(np.float32)
