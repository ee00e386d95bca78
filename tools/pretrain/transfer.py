"""The quickstart recipe in Keras: shows what the figures of recipes/quickstart.toml should look like.

usage: transfer.py PICTURES WEIGHTS.safetensors [--seeds N] [--no-pixels]

PICTURES holds train.rgb (1500), validation.rgb (300) and test.rgb (1000), written by examples/draw.
Prints a line per seed, and what logistic regression on raw pixels reaches. Its random numbers are
Keras' own, so the figures are near those of the recipe and not the same.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file

from pictures import CLASSES, SIZE, preprocess, read

BATCH = 32
FIRST_TRAINED_LAYER = 100
DROPOUT = 0.2
ROTATION = 0.05
PHASES = {"head": (6, 1e-3), "fine": (12, 1e-4)}


def augment(x):
    """Random flip and rotation, as keras.layers.RandomRotation does it: bilinear, reflected."""
    n = tf.shape(x)[0]
    x = tf.where(tf.random.uniform((n, 1, 1, 1)) < 0.5, x[:, :, ::-1], x)
    angle = tf.random.uniform((n,), -1, 1) * ROTATION * 2 * np.pi
    c, s, zero = tf.cos(angle), tf.sin(angle), tf.zeros((n,))
    middle = (SIZE - 1) / 2
    rows = [c, -s, middle - c * middle + s * middle, s, c, middle - s * middle - c * middle, zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=tf.stack(rows, 1),
        output_shape=[SIZE, SIZE],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


class Network:
    """Backbone in inference mode, pool, dropout, dense."""

    def __init__(self, weights):
        self.base = keras.applications.MobileNetV2((SIZE, SIZE, 3), alpha=0.35, include_top=False, weights=None)
        self.weights = load_file(weights)
        self.head = keras.layers.Dense(CLASSES)
        self.head.build((None, 1280))

    def reset(self):
        for layer in self.base.layers:
            for weight in layer.weights:
                weight.assign(self.weights[f"{layer.name}/{weight.name}"])
        self.head.kernel.assign(keras.initializers.GlorotUniform()((1280, CLASSES)))
        self.head.bias.assign(tf.zeros(CLASSES))

    def logits(self, x, training):
        pooled = tf.reduce_mean(self.base(x, training=False), [1, 2])
        if training:
            pooled = tf.nn.dropout(pooled, DROPOUT)
        return self.head(pooled)

    def variables(self, phase):
        upper = self.base.layers[FIRST_TRAINED_LAYER:] if phase == "fine" else []
        below = [v for layer in upper for v in layer.trainable_variables]
        return self.head.trainable_variables + below


def step_of(network, phase, optimizer):
    variables = network.variables(phase)
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            logits = network.logits(augment(x), training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    return step


def evaluator(network):
    @tf.function(reduce_retracing=True)
    def evaluate_batch(x, y):
        logits = network.logits(x, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
        return losses, tf.argmax(logits, 1) == y

    def evaluate(pictures, labels):
        parts = [evaluate_batch(pictures[i : i + 250], labels[i : i + 250]) for i in range(0, len(labels), 250)]
        losses, correct = (np.concatenate([p[i].numpy() for p in parts]) for i in (0, 1))
        return losses.mean(), correct.mean()

    return evaluate


def raw_pixels(train, validation, test):
    """Logistic regression on the 12288 numbers of a picture, the best of five strengths by validation."""
    from sklearn.linear_model import LogisticRegression

    flat = [x.reshape(len(x), -1) for x, _ in (train, validation, test)]
    fits = [LogisticRegression(C=c, max_iter=300).fit(flat[0], train[1]) for c in (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)]
    best = max(fits, key=lambda fit: fit.score(flat[1], validation[1]))
    scores = [best.score(x, y) for x, (_, y) in zip(flat, (train, validation, test))]
    print(f"logistic regression on raw pixels: C {best.C}, train/validation/test {scores}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures")
    parser.add_argument("weights")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--no-pixels", action="store_true")
    arguments = parser.parse_args()

    sets = [read(arguments.pictures, name, CLASSES) for name in ("train", "validation", "test")]
    train, validation, test = ((preprocess(x), y) for x, y in sets)
    network = Network(arguments.weights)
    evaluate = evaluator(network)
    optimizers = {"head": keras.optimizers.Adam(), "fine": keras.optimizers.RMSprop()}
    steps = {phase: step_of(network, phase, optimizer) for phase, optimizer in optimizers.items()}

    for seed in range(arguments.seeds):
        keras.utils.set_random_seed(seed)
        network.reset()
        line = [f"seed {seed} before {evaluate(*test)[1]:.3f}"]
        for phase, (epochs, rate) in PHASES.items():
            for variable in optimizers[phase].variables:
                variable.assign(tf.zeros_like(variable))
            optimizers[phase].learning_rate = rate
            means = []
            for _ in range(epochs):
                shuffled = np.random.permutation(len(train[1]))
                batches = [shuffled[i : i + BATCH] for i in range(0, len(shuffled), BATCH)]
                losses = [float(steps[phase](train[0][b], train[1][b])) * len(b) for b in batches]
                means.append(sum(losses) / len(shuffled))
            (val_loss, val_accuracy), (test_loss, test_accuracy) = evaluate(*validation), evaluate(*test)
            line.append(
                f"| {phase}: train loss {means[0]:.3f}..{means[-1]:.3f}"
                f" validation {val_loss:.3f} {val_accuracy:.3f} test {test_loss:.3f} {test_accuracy:.3f}"
            )
        print(*line, flush=True)
    if not arguments.no_pixels:
        raw_pixels(train, validation, test)


if __name__ == "__main__":
    main()
