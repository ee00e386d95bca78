#!/usr/bin/env bash
# On a machine with an NVIDIA driver, neither cargo nor a network: shows that goldrun computes the CPU's bits on its
# GPU, and how fast. Unpack the archive of `just gpu-bundle`, then:
#
#   ./verify.sh [ARTIFACTS] [PYTHON]
#
# ARTIFACTS is a folder with the tutorial's photos and weights (`tutorial-224` is left out without), PYTHON one that
# has PyTorch (what it does is left out without). Logs go to verify.log; under ten minutes; the table comes last.
set -uo pipefail
cd "$(dirname "$0")"
artifacts=${1:-}
python=${2:-python3}
log=$PWD/verify.log
: > "$log"
export GOLDRUN_CACHE=$PWD/cache
rows=()
failed=0

row() { rows+=("$(printf '%-46s %s' "$1" "$2")"); }

# Runs a command into the log; a row with `equal` or `FAILED`, and its seconds.
step() {
    local name=$1
    shift
    local start=$SECONDS
    { echo; echo "== $name: $*"; } >> "$log"
    if "$@" >> "$log" 2>&1; then
        row "$name" "passed  $((SECONDS - start)) s"
    else
        row "$name" "FAILED  $((SECONDS - start)) s"
        failed=1
        tail -n 5 "$log"
    fi
}

skip() { row "$1" "skipped: $2"; }

nvidia-smi >> "$log" 2>&1
row machine "$(nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>/dev/null | head -1)"

step "vectors (doctor)" ./goldrun doctor --device cuda
GOLDRUN_BACKENDS=cuda GOLDRUN_REQUIRE=cuda GOLDRUN_CASES=24 \
    step "kernel cases" ./it kernels::

sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -1)
for tool in memcheck racecheck synccheck initcheck; do
    if [ -n "$sanitizer" ]; then
        step "compute-sanitizer $tool" "$sanitizer" --tool "$tool" --error-exitcode 9 ./goldrun doctor --device cuda
    else
        skip "compute-sanitizer $tool" "it is not here"
    fi
done

step "check quickstart" ./goldrun check quickstart --device cuda --fresh
GOLDRUN_CUDA_GRAPHS=off step "check quickstart, without graphs" ./goldrun check quickstart --device cuda --fresh

# Seconds of the epochs of a phase, from the lines of a run.
epochs() {
    awk -v phase="phase $1:" '
        $0 ~ "^phase" { inside = index($0, phase) == 1 }
        inside && /^epoch/ { for (i = 1; i < NF; i++) if ($(i + 1) == "s") { sum += $i; break } }
        END { printf "%.2f s", sum }' "$2"
}

if [ -n "$artifacts" ]; then
    for trial in 1 2 3; do
        step "check tutorial-224, run $trial" \
            ./goldrun check tutorial-224 --device cuda --artifacts "$artifacts"
        awk -v name="== check tutorial-224, run $trial:" 'index($0, name) == 1 { inside = 1 } inside' "$log" > run.txt
        row "  epochs of phase 0, phase 1" "$(epochs 0 run.txt), $(epochs 1 run.txt)"
        row "  verdict" "$(grep '^tutorial-224: ' run.txt | tail -1)"
    done
else
    skip "check tutorial-224" "no folder with photos and weights was given"
fi

step "bench" ./bench 32 512
if "$python" -c 'import torch' 2>/dev/null; then
    step "PyTorch" timeout 240 "$python" pytorch.py
else
    skip "PyTorch" "$python has none"
fi

echo
sed -n '/^== bench/,/^== PyTorch/p' "$log" | grep -E '\*|depthwise|Conv1 |images a launch'
sed -n '/^== PyTorch/,$p' "$log" | tail -n +2
echo
printf '%s\n' "${rows[@]}"
exit $failed
