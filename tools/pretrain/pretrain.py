"""Trains the backbone of recipes/quickstart.toml: MobileNetV2, alpha 0.35, on eighteen drawn things.

usage: pretrain.py PICTURES OUT.safetensors [--from FIRST.safetensors]

Without --from the first round: easy pictures, then hard ones. With --from the second round: the
backbone of the first one and a fresh classifier on three times as many hard pictures. PICTURES holds
easy.rgb (9000), hard.rgb (59400) and hard-validation.rgb (1080), written by
`cargo run --release --example draw`, seed 1; see README.md beside this file. A round takes about
seven minutes on two cores. TensorFlow promises no order of additions: another run gives weights of the same
quality, not surely the same bits, so the weights are an artifact with a digest.
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import keras
import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from pictures import SIZE, THINGS, read

SEED = 1
BATCH = 64
# (set, pictures from its start, epochs) and the peak of the learning rate. Hard pictures from the
# start sit at chance for epochs.
FIRST_ROUND = ([("easy", 9000, 5), ("hard", 19800, 9)], 2e-3)
SECOND_ROUND = ([("hard", 59400, 4)], 1.5e-3)
WARM_UP_STEPS = 100
WEIGHT_DECAY = 1e-3
# Keras' 0.999 is too slow for a few thousand steps: the moving statistics would still hold their start.
MOMENTUM = 0.98


def build():
    """The backbone and the classifier of things on top of it, on bytes as floats."""
    base = keras.applications.MobileNetV2((SIZE, SIZE, 3), alpha=0.35, include_top=False, weights=None)
    for layer in base.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    picture = keras.Input((SIZE, SIZE, 3))
    features = base(picture / 127.5 - 1.0)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    return base, keras.Model(picture, keras.layers.Dense(THINGS)(pooled))


def train_step(model, optimizer):
    """One step on a batch of bytes; gives loss and accuracy."""
    optimizer.build(model.trainable_variables)

    @tf.function(
        input_signature=[
            tf.TensorSpec((BATCH, SIZE, SIZE, 3), tf.uint8),
            tf.TensorSpec((BATCH,), tf.int64),
        ]
    )
    def step(pictures, labels):
        x = tf.cast(pictures, tf.float32)
        x = tf.where(tf.random.uniform((BATCH, 1, 1, 1)) < 0.5, x[:, :, ::-1], x)
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        correct = tf.cast(tf.argmax(logits, 1) == labels, tf.float32)
        return loss, tf.reduce_mean(correct)

    return step


def accuracy(model, pictures, labels):
    """Accuracy with batch norm in inference mode, as the recipe will use it."""
    logits = model.predict(pictures.astype(np.float32), batch_size=270, verbose=0)
    return float((logits.argmax(1) == labels).mean())


def load(base, path):
    tensors = load_file(path)
    for layer in base.layers:
        for weight in layer.weights:
            weight.assign(tensors[f"{layer.name}/{weight.name}"])


def save(base, path):
    """Saves every weight under its Keras name, `layer/weight`."""
    tensors = {f"{layer.name}/{weight.name}": weight.numpy() for layer in base.layers for weight in layer.weights}
    assert all(np.isfinite(tensor).all() for tensor in tensors.values()), "a weight is not finite"
    save_file(tensors, path)
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures")
    parser.add_argument("out")
    parser.add_argument("--from", dest="start")
    arguments = parser.parse_args()

    stages, peak = SECOND_ROUND if arguments.start else FIRST_ROUND
    keras.utils.set_random_seed(SEED)
    order = np.random.default_rng(SEED)
    validation = read(arguments.pictures, "hard-validation", THINGS)
    base, model = build()
    if arguments.start:
        load(base, arguments.start)
    steps = sum(count // BATCH * epochs for _, count, epochs in stages)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - WARM_UP_STEPS, alpha=0.01, warmup_target=peak, warmup_steps=WARM_UP_STEPS
    )
    step = train_step(model, keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY))

    start = time.time()
    for name, count, epochs in stages:
        pictures, labels = (part[:count] for part in read(arguments.pictures, name, THINGS))
        assert len(pictures) == count, f"{name}.rgb holds {len(pictures)} pictures, expected {count}"
        for epoch in range(epochs):
            shuffled = order.permutation(count)
            batches = [shuffled[i : i + BATCH] for i in range(0, count - BATCH + 1, BATCH)]
            seen = [step(pictures[batch], labels[batch]) for batch in batches]
            loss, train_accuracy = np.mean(np.array(seen, dtype=float), 0)
            print(
                f"{name} epoch {epoch + 1:2d} loss {loss:.3f} accuracy {train_accuracy:.3f}"
                f" | hard validation accuracy {accuracy(model, *validation):.3f}"
                f" | {time.time() - start:.0f} s",
                flush=True,
            )

    tensors = save(base, arguments.out)
    variances = [t for name, t in tensors.items() if name.endswith("moving_variance")]
    means = [t for name, t in tensors.items() if name.endswith("moving_mean")]
    print(
        f"{len(tensors)} tensors, {sum(t.size for t in tensors.values())} numbers,"
        f" moving variance {min(v.min() for v in variances):.2e}..{max(v.max() for v in variances):.2e},"
        f" largest |moving mean| {max(abs(m).max() for m in means):.2f}"
    )


if __name__ == "__main__":
    main()
