#!/usr/bin/env bash
# The check of action.yml and of jobs like it: checks recipes, leaves the reports and the pending records of
# those that differ in one folder, and ends as `goldrun check` does.
#
#   GOLDRUN_RECIPES   names or paths, separated by spaces
#   GOLDRUN_OPTIONS   options of `goldrun check`, separated by spaces
#   GOLDRUN_REPORTS   the folder, made where it is missing
set -euo pipefail
read -ra recipes <<<"$GOLDRUN_RECIPES"
read -ra options <<<"${GOLDRUN_OPTIONS:-}"
mkdir -p "$GOLDRUN_REPORTS"
status=0
goldrun check "${recipes[@]}" "${options[@]}" \
    --junit "$GOLDRUN_REPORTS/goldrun.xml" --markdown "$GOLDRUN_REPORTS/goldrun.md" || status=$?
for pending in golden/*.pending.toml; do
    if [ -e "$pending" ]; then cp "$pending" "$GOLDRUN_REPORTS/"; fi
done
exit "$status"
