"""Holds an exported model to what `goldrun predict --json` says of ten pictures.

usage: check.py RECIPE FOLDER, where FOLDER has RECIPE.onnx, RECIPE.safetensors and predictions.json. Pictures have
the network's own size, so that no other program's resizing comes in. Prints a line for each program that agrees;
where Keras is not installed, that it is skipped.
"""

import importlib.util
import json
import os
import sys

import numpy
import onnx
import onnxruntime
from PIL import Image
from safetensors import safe_open

# How far a probability may be from goldrun's: other orders of sums.
TOLERANCE = 1e-5


def agree(program, probabilities, expected):
    """Fails where a probability is too far off."""
    assert probabilities.shape == expected.shape, (program, probabilities.shape, expected.shape)
    distance = float(numpy.abs(probabilities - expected).max())
    assert distance <= TOLERANCE, f"{program}: {distance:.2e} apart, at most {TOLERANCE:.0e} wanted"
    print(f"{program}: {len(expected)} pictures, probabilities at most {distance:.1e} apart")


def check_onnx(path, about, pictures, expected):
    """ONNX: sound by its own checker, and with the right numbers for one picture and for all at once."""
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)], model.opset_import
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (into,) = session.get_inputs()
    (out,) = session.get_outputs()
    assert (into.name, into.type, into.shape) == ("image", "tensor(float)", ["images", *about["image_size"], 3])
    assert (out.name, out.type, out.shape) == ("probabilities", "tensor(float)", ["images", len(about["classes"])])
    assert json.loads(session.get_modelmeta().custom_metadata_map["goldrun"]) == about
    (together,) = session.run(None, {"image": pictures})
    agree("onnxruntime", together, expected)
    alone = [session.run(None, {"image": picture[None]})[0][0] for picture in pictures]
    agree("onnxruntime, one by one", numpy.stack(alone), expected)
    apart = numpy.ptp(expected, axis=0).max()
    assert apart > 1000 * TOLERANCE, f"pictures differ by {apart:.1e} only, and prove nothing"


def check_keras(tensors, about, pictures, expected):
    """Keras: its own network with the tensors put in by name."""
    os.environ.setdefault("KERAS_BACKEND", "jax" if importlib.util.find_spec("jax") else "tensorflow")
    import keras

    height, width = about["image_size"]
    backbone = keras.applications.MobileNetV2(
        input_shape=(height, width, 3), alpha=about["alpha"], include_top=False, weights=None
    )
    pooled = keras.layers.GlobalAveragePooling2D()(backbone.output)
    logits = keras.layers.Dense(tensors["dense/bias"].size, name="dense")(pooled)
    model = keras.Model(backbone.input, logits)
    left = dict(tensors)
    for layer in model.layers:
        values = [left.pop(f"{layer.name}/{weight.name}") for weight in layer.weights]
        layer.set_weights(values)
    assert not left, f"Keras has no {sorted(left)}"
    logits = model.predict(pictures / numpy.float32(127.5) - 1, verbose=0).astype(numpy.float64)
    if logits.shape[1] == 1:
        second = 1 / (1 + numpy.exp(-logits))
        probabilities = numpy.concatenate([1 - second, second], axis=1)
    else:
        powers = numpy.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = powers / powers.sum(axis=1, keepdims=True)
    agree(f"Keras {keras.__version__}", probabilities, expected)


def main():
    recipe, folder = sys.argv[1:]
    with open(f"{folder}/predictions.json", encoding="utf-8") as file:
        said = json.load(file)
    with safe_open(f"{folder}/{recipe}.safetensors", framework="numpy") as file:
        about = json.loads(file.metadata()["goldrun"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    assert about["recipe"] == recipe and about["classes"] == said["classes"], about
    assert about["preprocessing"] == "x / 127.5 - 1 of RGB values from 0 to 255", about
    count = sum(tensor.size for tensor in tensors.values())
    print(f"safetensors: {len(tensors)} tensors, {count:,} values, classes {', '.join(about['classes'])}")

    files = [prediction["file"] for prediction in said["predictions"]]
    pictures = numpy.stack([numpy.asarray(Image.open(file).convert("RGB"), numpy.float32) for file in files])
    expected = numpy.array([prediction["probabilities"] for prediction in said["predictions"]])
    check_onnx(f"{folder}/{recipe}.onnx", about, pictures, expected)
    if importlib.util.find_spec("keras"):
        check_keras(tensors, about, pictures, expected)
    else:
        print("skipped: no Keras")


if __name__ == "__main__":
    main()
