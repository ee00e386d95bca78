"""Reads the raw pictures that examples/draw.rs wrote: SET.rgb, 64 x 64 x RGB bytes each."""

import hashlib
from pathlib import Path

import numpy as np

SIZE = 64
CLASSES = 5
THINGS = 18

# sha256 of the whole files of README.md, drawn with seed 1.
DIGESTS = {
    "train": "21f975aaed165dadc907fb57f5a8d39c2e376c9c750dd04c9076c5edb68d517f",
    "validation": "29653bed13db8a31c3b60e34b6597508b366a6ad2f81ef89773ef601f1f8e94e",
    "test": "a0548504aeef26d6c127be8ee73584e0f5ded87700cc934594531e5bc3961e33",
    "easy": "c69fa09091ec30cba59ae88c083d66eaaf061efb6b2576e110590e591018d531",
    "hard": "5926ee7513b3e82f655733330e7b8daed8183510ed59effea0e98e0fe7ba93f6",
    "hard-validation": "04e6c5383dbe9db404668482b7d17ab10aa1cbe66fc00b559189366c2e2f55c3",
}


def read(folder, name, classes):
    """Pictures (n, 64, 64, 3) as bytes and labels; picture k has label k modulo `classes`."""
    raw = np.fromfile(Path(folder) / f"{name}.rgb", np.uint8)
    digest = hashlib.sha256(raw).hexdigest()
    assert digest == DIGESTS[name], f"{name}.rgb: expected sha256 {DIGESTS[name]}, got {digest}"
    pictures = raw.reshape(-1, SIZE, SIZE, 3)
    return pictures, np.arange(len(pictures), dtype=np.int64) % classes


def preprocess(pictures):
    """0..255 to -1..1, as the recipe does it."""
    return (pictures / np.float32(127.5) - np.float32(1)).astype(np.float32)
