#!/usr/bin/env bash
# What runs in a browser: its tools in node_modules, and the widget where the service carries it.
#   scripts/web.sh build      make both, and nothing when they are there
#   scripts/web.sh run ...    run npm or one of those tools, with a Node.js that is new enough
# Node.js is the machine's own, or one in .venv that is installed when the machine's is too old.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

carried=packages/kaskad/src/kaskad/http/widget/static

say() { echo "setup: $*" >&2; }

node_ok() {
    command -v npm >/dev/null && node -e '
        const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' 2>/dev/null
}

find_node() {
    node_ok && return
    PATH=$PWD/.venv/bin:$PATH
    node_ok && return
    say "installing requirements/node.txt (no Node.js 20.19 or newer on this machine)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes --requirement requirements/node.txt
    hash -r
}

# One hash of what a step depends on: the files, by name and content, and the Node.js.
fingerprint() {
    { node --version; sort -z | xargs -0 sha256sum; } | sha256sum | cut -d ' ' -f 1
}

tools() {
    local stamp=node_modules/.kaskad key
    key=$(printf '%s\0' package.json package-lock.json .npmrc web/*/package.json | fingerprint)
    [[ $(cat "$stamp" 2>/dev/null) != "$key" ]] || return 0
    say "installing package-lock.json"
    npm ci --ignore-scripts --loglevel=error >/dev/null
    printf '%s\n' "$key" >"$stamp"
}

widget() {
    local stamp=.cache/widget key
    key=$({
        find web/widget -type d \( -name node_modules -o -name dist -o -name tests \) -prune \
            -o -type f -print0
        printf '%s\0' package-lock.json scripts/carry.mjs
    } | fingerprint)
    [[ $(cat "$stamp" 2>/dev/null) != "$key" || ! -d $carried ]] || return 0
    say "building the widget"
    npm run --silent build --workspace web/widget
    node scripts/carry.mjs web/widget/dist "$carried"
    mkdir -p .cache
    printf '%s\n' "$key" >"$stamp"
}

find_node
case ${1:-} in
    build)
        tools
        widget
        ;;
    run)
        shift
        PATH=$PWD/node_modules/.bin:$PATH exec "$@"
        ;;
    *) echo "usage: scripts/web.sh build | run PROGRAM ..." >&2; exit 2 ;;
esac
