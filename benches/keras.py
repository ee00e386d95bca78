"""`just bench-keras`: pairs of whole commands, `goldrun run` against the same tutorial in Keras.

Both are whole processes: start, reading of photos and weights, both phases, the test. Peak memory is what the
system counted for the process. goldrun begins with an empty cache each time, or with --cached with the pixels
of an earlier run. The script of Keras is told where the unpacked photos and the weight file are, --epochs and
--fine, and fine-tunes for one epoch more than --fine says, as the tutorial does.
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
    parser.add_argument("--cached", action="store_true", help="let goldrun find the pixels of an earlier run")
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


def goldrun(asked, cache, epochs, fine):
    with tempfile.TemporaryDirectory() as project:
        command = [asked.goldrun.resolve(), "run", RECIPE, "--json", "--quiet", "--offline", "--artifacts", asked.artifacts.resolve()]
        command += ["--set", f"phase.0.epochs={epochs}", "--set", f"phase.1.epochs={fine + 1}"]
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
        cache = folder / "cache"
        if asked.cached:
            goldrun(asked, cache, 1, 0)
        print(f"{RECIPE}: {asked.epochs} and {asked.fine + 1} epochs, {'pixels cached' if asked.cached else 'empty caches'}")
        print(f"{'pair':6} {'goldrun':>24} {'Keras':>24} {'time':>9} {'memory':>9} {'test accuracy':>16}")
        pairs = []
        for number in range(1, asked.pairs + 1):
            if asked.cached:
                ours = goldrun(asked, cache, asked.epochs, asked.fine)
            else:
                with tempfile.TemporaryDirectory() as empty:
                    ours = goldrun(asked, empty, asked.epochs, asked.fine)
            theirs = keras(asked, folder / PHOTOS)
            pairs.append((ours, theirs))
            show(str(number), ours, theirs, theirs[0] / ours[0], ours[1] / theirs[1])
        middle = [[statistics.median(pair[side][what] for pair in pairs) for what in range(3)] for side in range(2)]
        times = statistics.median(theirs[0] / ours[0] for ours, theirs in pairs)
        memory = statistics.median(ours[1] / theirs[1] for ours, theirs in pairs)
        show("median", *middle, times, memory)


def show(name, ours, theirs, time_ratio, memory_ratio):
    cell = lambda side: f"{side[0]:.1f} s {side[1]:8.0f} MiB"
    accuracies = f"{ours[2]:.4f} {theirs[2]:.4f}"
    print(f"{name:6} {cell(ours):>24} {cell(theirs):>24} {time_ratio:7.2f} × {memory_ratio:7.2f} × {accuracies:>16}", flush=True)


if __name__ == "__main__":
    main()
