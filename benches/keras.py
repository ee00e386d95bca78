"""`just bench-keras`: pairs of whole commands, `goldrun run` against the same tutorial in Keras.

All are whole processes: start, reading of photos and weights, both phases, the test. Peak memory is what the
system counted for the process. In each pair goldrun runs with an empty cache, and again with the pixels and
features that this run left. The script of Keras is told where the unpacked photos and the weight file are,
--epochs and --fine, and fine-tunes for one epoch more than --fine says, as the tutorial does.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

PHOTOS = "cats_and_dogs_filtered"
WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
RECIPE = "tutorial-224"
MIB = 1024  # ru_maxrss is in KiB


def options():
    parser = argparse.ArgumentParser(prog="just bench-keras", description=__doc__.split("\n\n")[1])
    parser.add_argument("--pairs", type=int, default=3, help="how many [3]")
    parser.add_argument("--epochs", type=int, default=10, help="of feature extraction, on both sides [10]")
    parser.add_argument("--fine", type=int, default=10, help="of fine-tuning, less one, on both sides [10]")
    parser.add_argument("--artifacts", type=Path, default=os.environ.get("GOLDRUN_ARTIFACTS", "../shared/artifacts"), metavar="DIR", help="folder of photos and weights [%(default)s]")
    parser.add_argument("--script", type=Path, default="../shared/reference/keras_tutorial.py", metavar="FILE", help="the tutorial in Keras [%(default)s]")
    parser.add_argument("--python", default=os.environ.get("PYTHON", sys.executable), help="one that has TensorFlow [%(default)s]")
    parser.add_argument("--goldrun", type=Path, default="target/release/goldrun", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    asked.pairs, asked.epochs, asked.fine = (max(1, asked.pairs), max(1, asked.epochs), max(0, asked.fine))
    return asked


def stop(what, hint):
    sys.exit(f"error: {what}\nhint: {hint}")


def look_for_all(asked):
    """Says what is missing before minutes have gone by."""
    for file in (f"{PHOTOS}.zip", WEIGHTS):
        if not (asked.artifacts / file).is_file():
            stop(f"no {file} in {asked.artifacts}", f"--artifacts DIR; `goldrun fetch {RECIPE}` downloads it")
    if not asked.script.is_file():
        stop(f"no {asked.script}", "--script FILE: the tutorial in Keras, called with photos, weights, --epochs and --fine")
    try:
        imported = subprocess.run([asked.python, "-c", "import tensorflow, keras, h5py, PIL"], capture_output=True, text=True)
    except OSError as error:
        stop(f"cannot run {asked.python}: {error.strerror}", "--python FILE, or PYTHON in the environment")
    if imported.returncode != 0:
        why = (imported.stderr.strip().splitlines() or ["it fails"])[-1]
        stop(f"{asked.python} has no Keras: {why}", f"{asked.python} -m pip install tensorflow-cpu pillow h5py (it takes minutes), or --python FILE")


def measured(command, folder, **environment):
    """Seconds, peak MiB and standard output of a command."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=folder, env={**os.environ, **environment})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode != 0:
            last = err.read().decode(errors="replace")[-2000:]
            stop(f"exit code {process.returncode} of {' '.join(map(str, command))}\n{last}", "run it by hand")
        return seconds, usage.ru_maxrss / MIB, out.read().decode()


def goldrun(asked, cache):
    with tempfile.TemporaryDirectory() as project:
        command = [asked.goldrun.resolve(), "run", RECIPE, "--json", "--quiet", "--offline", "--artifacts", asked.artifacts.resolve()]
        command += ["--set", f"phase.0.epochs={asked.epochs}", "--set", f"phase.1.epochs={asked.fine + 1}"]
        seconds, memory, text = measured(command, project, GOLDRUN_CACHE=str(cache))
    return seconds, memory, json.loads(text)["facts"]["test.accuracy"]


def keras(asked, photos):
    command = [asked.python, asked.script.resolve(), photos, (asked.artifacts / WEIGHTS).resolve()]
    command += ["--epochs", asked.epochs, "--fine", asked.fine]
    seconds, memory, text = measured(list(map(str, command)), photos)
    return seconds, memory, json.loads(text.splitlines()[-1])["test_accuracy"]


def main():
    asked = options()
    look_for_all(asked)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with zipfile.ZipFile(asked.artifacts / f"{PHOTOS}.zip") as archive:
            archive.extractall(folder)
        print(f"{RECIPE}: {asked.epochs} and {asked.fine + 1} epochs; goldrun with an empty cache, and with the one it left")
        print(f"{'pair':6} {'goldrun':>18} {'from cache':>18} {'Keras':>18} {'time':>8} {'cached':>8} {'memory':>8}  test accuracy")
        pairs = []
        for number in range(1, asked.pairs + 1):
            with tempfile.TemporaryDirectory() as cache:
                empty, cached = (goldrun(asked, cache) for _ in range(2))
            pairs.append((empty, cached, keras(asked, folder / PHOTOS)))
            show(str(number), *pairs[-1], *ratios(*pairs[-1]))
        middle = [[statistics.median(pair[run][what] for pair in pairs) for what in range(3)] for run in range(3)]
        show("median", *middle, *(statistics.median(column) for column in zip(*(ratios(*pair) for pair in pairs))))


def ratios(empty, cached, keras_run):
    """How much faster goldrun is from nothing and from the cache, and its share of the memory."""
    return keras_run[0] / empty[0], keras_run[0] / cached[0], empty[1] / keras_run[1]


def show(name, empty, cached, keras_run, time_ratio, cached_ratio, memory_ratio):
    runs = " ".join(f"{seconds:7.1f} s {memory:4.0f} MiB" for seconds, memory, _ in (empty, cached, keras_run))
    accuracies = f"{empty[2]:.4f} {keras_run[2]:.4f}"
    print(f"{name:6} {runs} {time_ratio:6.2f} × {cached_ratio:6.2f} × {memory_ratio:6.2f} ×  {accuracies}", flush=True)


if __name__ == "__main__":
    main()
