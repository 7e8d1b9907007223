#!/usr/bin/env bash
# Recompiles requirements/*.txt from requirements/*.in with the newest releases.
# dev is resolved first and constrains runtime and build, so all three agree on every version.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../requirements"
uv=${UV:-../.venv/bin/uv}

# A lock must not depend on the indexes and directories this machine happens to use.
for name in $(compgen -e | grep -E '^(PIP|UV)_.*(INDEX|FIND_LINKS|CONFIG_FILE)' || true); do
    unset "$name"
done

compile() {
    "$uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
        --output-file "$1.txt" "$1.in" "${@:2}"
}

compile dev --upgrade
compile runtime --upgrade --constraint dev.txt
compile build --upgrade --constraint dev.txt
compile node --upgrade

if grep -nE 'https?://|file:|^--(index-url|extra-index-url|find-links)|(^|[^.[:alnum:]])/[a-z]+/' ./*.txt; then
    echo 'lock: an address or a path of this machine got into a lock file (above)' >&2
    exit 1
fi
