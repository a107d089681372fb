#!/usr/bin/env bash
# Resolves pyproject.toml into one lock per use: names, versions and hashes, for every platform. All agree with dev.txt.
set -eu
cd "$(dirname "$0")/.."
compile() {
    "${VENV:-.venv}/bin/uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 \
        --generate-hashes --no-emit-index-url --no-header --no-annotate "$@"
}
compile --all-extras --output-file requirements/dev.txt
for extras in core: kafka:kafka cli:cli analytics:kafka,analytics live:live; do
    options=()
    for extra in $(tr ',' ' ' <<<"${extras#*:}"); do options+=(--extra "$extra"); done
    compile "${options[@]}" --constraint requirements/dev.txt --output-file "requirements/${extras%%:*}.txt"
done
