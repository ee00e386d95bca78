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
        # What faults.py changes.
        self.dropout = DROPOUT
        self.batch_norm_trains = False
        self.trains_backbone = True
        self.trains_batch_norm = True
        self.head = keras.layers.Dense(CLASSES)
        self.head.build((None, 1280))

    def reset(self):
        for layer in self.base.layers:
            for weight in layer.weights:
                weight.assign(self.weights[f"{layer.name}/{weight.name}"])
        self.head.kernel.assign(keras.initializers.GlorotUniform()((1280, CLASSES)))
        self.head.bias.assign(tf.zeros(CLASSES))

    def logits(self, x, training):
        pooled = tf.reduce_mean(self.base(x, training=training and self.batch_norm_trains), [1, 2])
        if training and self.dropout > 0:
            pooled = tf.nn.dropout(pooled, self.dropout)
        return self.head(pooled)

    def variables(self, phase):
        upper = self.base.layers[FIRST_TRAINED_LAYER:] if phase == "fine" and self.trains_backbone else []
        below = [
            variable
            for layer in upper
            if self.trains_batch_norm or not isinstance(layer, keras.layers.BatchNormalization)
            for variable in layer.trainable_variables
        ]
        return self.head.trainable_variables + below


def step_of(network, phase, optimizer, augmented=True):
    variables = network.variables(phase)
    optimizer.build(variables)

    @tf.function(reduce_retracing=True)
    def step(x, y):
        with tf.GradientTape() as tape:
            logits = network.logits(augment(x) if augmented else x, training=True)
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


def train(steps, optimizers, sets, evaluate, phases=PHASES, shuffle=np.random.permutation):
    """Both phases from the weights as they stand. Per phase: mean training loss of the first and of the
    last epoch, then loss and accuracy on the validation and on the test pictures."""
    (x, y), validation, test = sets
    found = []
    for phase, (epochs, rate) in phases.items():
        for variable in optimizers[phase].variables:
            variable.assign(tf.zeros_like(variable))
        optimizers[phase].learning_rate = rate
        means = []
        for _ in range(epochs):
            order = shuffle(len(y))
            batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
            losses = [float(steps[phase](x[batch], y[batch])) * len(batch) for batch in batches]
            means.append(sum(losses) / len(order))
        found.append((means[0], means[-1], *evaluate(*validation), *evaluate(*test)))
    return found


def show(name, found):
    line = [name]
    for phase, (first, last, val_loss, val_accuracy, test_loss, test_accuracy) in zip(PHASES, found, strict=True):
        line.append(
            f"| {phase}: train loss {first:.3f}..{last:.3f} validation {val_loss:.3f} {val_accuracy:.3f}"
            f" test {test_loss:.3f} {test_accuracy:.3f}"
        )
    print(*line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures")
    parser.add_argument("weights")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--no-pixels", action="store_true")
    arguments = parser.parse_args()

    raw = [read(arguments.pictures, name, CLASSES) for name in ("train", "validation", "test")]
    sets = [(preprocess(x), y) for x, y in raw]
    network = Network(arguments.weights)
    evaluate = evaluator(network)
    optimizers = {"head": keras.optimizers.Adam(), "fine": keras.optimizers.RMSprop()}
    steps = {phase: step_of(network, phase, optimizer) for phase, optimizer in optimizers.items()}
    for seed in range(arguments.seeds):
        keras.utils.set_random_seed(seed)
        network.reset()
        before = evaluate(*sets[2])[1]
        show(f"seed {seed} before {before:.3f}", train(steps, optimizers, sets, evaluate))
    if not arguments.no_pixels:
        raw_pixels(*sets)


if __name__ == "__main__":
    main()
