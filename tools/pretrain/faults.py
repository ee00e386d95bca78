"""Plants faults into transfer.py's runs and shows what the figures say of them.

usage: faults.py PICTURES WEIGHTS.safetensors [FAULT ...]

A line per fault, one seed each; compare with the spread over seeds that transfer.py shows.
"""

import argparse

import keras
import numpy as np

import transfer
from pictures import CLASSES, preprocess, read

SEED = 0


def same(value):
    return value


def swapped(weights):
    """Two depthwise kernels of the same shape exchanged."""
    first, second = "block_14_depthwise/kernel", "block_15_depthwise/kernel"
    return weights | {first: weights[second], second: weights[first]}


def transposed(weights):
    """Height and width of every depthwise kernel exchanged."""
    return {k: v.transpose(1, 0, 2, 3) if k.endswith("depthwise/kernel") else v for k, v in weights.items()}


def random_block(weights):
    """The kernels of block 8 drawn at random, with the deviation that they had."""
    draw = np.random.default_rng(SEED)
    return {
        k: draw.normal(0, v.std(), v.shape) if k.startswith("block_8_") and k.endswith("/kernel") else v
        for k, v in weights.items()
    }


def reset_last_batch_norm(weights):
    start = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}
    return {k: np.full_like(v, start[k.split("/")[1]]) if k.startswith("Conv_1_bn/") else v for k, v in weights.items()}


def random_network(weights):
    size = transfer.SIZE
    base = keras.applications.MobileNetV2((size, size, 3), alpha=0.35, include_top=False, weights=None)
    return {f"{layer.name}/{w.name}": w.numpy() for layer in base.layers for w in layer.weights}


def five_percent_wrong(labels):
    draw = np.random.default_rng(SEED)
    wrong = draw.permutation(len(labels))[: len(labels) // 20]
    labels = labels.copy()
    labels[wrong] = (labels[wrong] + draw.integers(1, CLASSES, len(wrong))) % CLASSES
    return labels


# What each fault changes; all else is the recipe.
FAULTS = {
    "none": {},
    "backbone stays frozen": {"network": {"trains_backbone": False}},
    "fine rate / 10": {"rates": {"fine": 0.1}},
    "fine rate x 10": {"rates": {"fine": 10}},
    "head rate / 10": {"rates": {"head": 0.1}},
    "head rate x 10": {"rates": {"head": 10}},
    "5 % of labels wrong": {"labels": five_percent_wrong},
    "no augmentation": {"augmented": False},
    "no dropout": {"network": {"dropout": 0.0}},
    "not shuffled": {"shuffled": False},
    "batch norm trains": {"network": {"batch_norm_trains": True}},
    "gamma and beta not trained": {"network": {"trains_batch_norm": False}},
    "random network": {"weights": random_network},
    "depthwise kernels transposed": {"weights": transposed},
    "block 8 random": {"weights": random_block},
    "two depthwise kernels swapped": {"weights": swapped},
    "last batch norm reset": {"weights": reset_last_batch_norm},
    "input 0..1": {"input": lambda x: (x + 1) / 2},
    "blue and red exchanged": {"input": lambda x: np.ascontiguousarray(x[..., ::-1])},
}


def run(name, sets, weights):
    fault = FAULTS[name]
    network = transfer.Network(weights)
    for field, value in fault.get("network", {}).items():
        setattr(network, field, value)
    network.weights = fault.get("weights", same)(network.weights)
    sets = [(fault.get("input", same)(x), y) for x, y in sets]
    sets[0] = (sets[0][0], fault.get("labels", same)(sets[0][1]))
    rates = fault.get("rates", {})
    phases = {phase: (epochs, rate * rates.get(phase, 1)) for phase, (epochs, rate) in transfer.PHASES.items()}
    by_class = np.argsort(sets[0][1], kind="stable")
    shuffle = np.random.permutation if fault.get("shuffled", True) else lambda _: by_class

    keras.utils.set_random_seed(SEED)
    network.reset()
    optimizers = {"head": keras.optimizers.Adam(), "fine": keras.optimizers.RMSprop()}
    augmented = fault.get("augmented", True)
    steps = {phase: transfer.step_of(network, phase, optimizers[phase], augmented) for phase in phases}
    evaluate = transfer.evaluator(network)
    transfer.show(name, transfer.train(steps, optimizers, sets, evaluate, phases, shuffle))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures")
    parser.add_argument("weights")
    parser.add_argument("faults", nargs="*", default=list(FAULTS))
    arguments = parser.parse_args()
    raw = [read(arguments.pictures, name, CLASSES) for name in ("train", "validation", "test")]
    sets = [(preprocess(x), y) for x, y in raw]
    for name in arguments.faults:
        run(name, sets, arguments.weights)


if __name__ == "__main__":
    main()
