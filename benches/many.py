"""`just many`: memory and time of runs on N/4, N/2 and N made pictures of 160 x 160, with nothing in the cache.

Seconds of the processor are what to compare: those of the clock hang on what else the machine does. Peak memory is
what the system counted for the process so far. The second start finds the pixels of the first, up to training.
N pictures need 330 kB of disk each; all is removed at the end.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MIB = 1 << 20
# What a run has done when it writes a line that begins so.
STAGES = {
    "decoded train": "hashing, decoding",
    "before training": "validation",
    "epoch 1/": "feature extraction",
    "epoch 2/": "fine-tuning",
    "test": "test",
}


def options():
    parser = argparse.ArgumentParser(prog="just many", description=__doc__.split("\n\n")[1])
    parser.add_argument("pictures", type=int, nargs="?", default=50_000, metavar="N", help="in all, every tenth for validation [50000]")
    parser.add_argument("--only", action="store_true", help="N alone, without N/4 and N/2")
    parser.add_argument("--start", action="store_true", help="stop where training begins")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where pictures and cache go for the time being [a temporary folder]")
    parser.add_argument("--artifacts", type=Path, default=os.environ.get("GOLDRUN_ARTIFACTS", "../shared/artifacts"), metavar="DIR", help="folder of the weights of tutorial-224 [%(default)s]")
    parser.add_argument("--release", type=Path, default="target/release", help=argparse.SUPPRESS)
    return parser.parse_args()


def used(process):
    """Seconds of the processor and peak MiB of a process that goes on."""
    proc = Path("/proc", str(process.pid))
    user, system = proc.joinpath("stat").read_text().rsplit(")", 1)[1].split()[11:13]
    peak = next(line for line in proc.joinpath("status").read_text().splitlines() if line.startswith("VmHWM"))
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK"), int(peak.split()[1]) * 1024 / MIB


def run(asked, project, only_start):
    """Yields each stage of a run with its seconds of processor and clock, and peak MiB so far."""
    command = [asked.release.resolve() / "goldrun", "run", project / "pictures" / "many.toml", "--artifacts", asked.artifacts.resolve(), "--offline"]
    environment = {**os.environ, "GOLDRUN_CACHE": str(project / "cache")}
    before, cpu_before = time.monotonic(), 0.0
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=project, env=environment)
    seen = ""
    for line in process.stderr:
        seen += line
        stage = next((name for begin, name in STAGES.items() if line.startswith(begin)), None)
        if stage is None:
            continue
        (cpu, peak), now = used(process), time.monotonic()
        yield stage, cpu - cpu_before, now - before, peak
        before, cpu_before = now, cpu
        if only_start and stage == "validation":
            process.kill()
            process.wait()
            return
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"error: exit code {process.returncode} of {' '.join(map(str, command))}\n{seen[-2000:]}")
    yield "whole run", usage.ru_utime + usage.ru_stime, None, usage.ru_maxrss * 1024 / MIB


def show(pictures, stage, cpu, wall, peak):
    wall = "" if wall is None else f"{wall:.1f}"
    print(f"{pictures:8} {stage:20} {cpu:10.1f} {1000 * cpu / pictures:16.3f} {wall:>8} {peak:10.0f}", flush=True)


def main():
    asked = options()
    print(f"{'pictures':8} {'':20} {'processor s':>10} {'ms each picture':>16} {'clock s':>8} {'peak MiB':>10}")
    for pictures in [asked.pictures] if asked.only else [asked.pictures // 4, asked.pictures // 2, asked.pictures]:
        with tempfile.TemporaryDirectory(dir=asked.folder) as project:
            project = Path(project)
            subprocess.run([asked.release / "examples" / "many", str(pictures), project / "pictures"], check=True)
            for stage in run(asked, project, asked.start):
                show(pictures, *stage)
            for _, *figures in run(asked, project, True):
                show(pictures, "second start", *figures)


if __name__ == "__main__":
    main()
