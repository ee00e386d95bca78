# Recipes of the shell; `just ci` is all that CI runs.
set shell := ["bash", "-euo", "pipefail", "-c"]

artifacts := env("GOLDRUN_ARTIFACTS", "../shared/artifacts")

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

# What CI runs.
[group("check")]
ci: lint test
