#!/usr/bin/env bash
# Makes what an entry point needs, and nothing when it is already there.
#   scripts/setup.sh run     .venv with the runtime lock and the kaskad command, and the widget
#   scripts/setup.sh check   the same with the dev lock, and what the checks take from npm
#   scripts/setup.sh test    the same, and the programs that the acceptance tests drive
# PYTHON picks the interpreter; APT=no forbids installing system packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

goal=${1:-}
case $goal in
    run) locks=(requirements/runtime.txt requirements/build.txt) stamp=.venv/.kaskad-runtime ;;
    check | test) locks=(requirements/dev.txt) stamp=.venv/.kaskad-dev ;;
    *) echo "usage: scripts/setup.sh run|check|test" >&2; exit 2 ;;
esac

die() { echo "setup: $*" >&2; exit 1; }
say() { echo "setup: $*" >&2; }

may_install() { [[ ${APT:-yes} != no && $(id -u) == 0 ]] && command -v apt-get >/dev/null; }

# apt_install REASON PACKAGE... : installs, or says in one line what is missing.
apt_install() {
    local reason=$1 log
    shift
    [[ ${APT:-yes} != no ]] || die "$reason; install: $* (APT=no is set)"
    command -v apt-get >/dev/null || die "$reason; install the equivalent of Debian's: $* (no apt-get here)"
    [[ $(id -u) == 0 ]] || die "$reason; run as root: apt-get install $*"
    say "installing $* ($reason)"
    log=$(mktemp)
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive \
            apt-get install --yes --no-install-recommends "$@"; } >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        die "$reason, and apt-get could not install: $*"
    fi
    rm -f "$log"
}

python_ok() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3; do
        if python_ok "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    return 1
}

# A virtual environment belongs to one directory and one interpreter.
place_of() {
    printf '%s\n' "$PWD"
    "$1" -c 'import sys; print(sys.version, sys.base_prefix)'
}

# What was installed: a change of any of these is a reason to install again.
fingerprint() {
    cat - "${locks[@]}" packages/*/pyproject.toml scripts/setup.sh | sha256sum | cut -d ' ' -f 1
}

make_venv() {
    local python=$1
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
}

install_locked() {
    local args=() lock
    for lock in "${locks[@]}"; do args+=(--requirement "$lock"); done
    say "installing ${locks[*]}"
    # One test dependency is published as source alone; PEP 517 builds it the same with every pip.
    PIP_USE_PEP517=1 .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
        --require-hashes "${args[@]}"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
        --no-deps --no-build-isolation --no-index \
        --editable packages/kaskad-sdk --editable packages/kaskad
}

# Only one setup at a time in a tree; the second finds the work done.
if command -v flock >/dev/null; then
    exec 9<requirements
    flock 9
fi

python=$(find_python) || die "Python 3.11 or newer is missing; install: python3 python3-venv"
# Before the interpreter's version is noted: installing venv may bring a newer patch of it.
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    apt_install "Python's venv module is missing" python3-venv
place=$(place_of "$python")
key=$(fingerprint <<<"$place")

if [[ $(cat "$stamp" 2>/dev/null) != "$key" || ! -x .venv/bin/kaskad ]]; then
    # Another interpreter or another directory: start over. Another lock: install over it.
    if [[ $(cat .venv/.kaskad-place 2>/dev/null) != "$place" ]] || ! python_ok .venv/bin/python; then
        make_venv "$python"
        printf '%s\n' "$place" >.venv/.kaskad-place
    fi
    install_locked
    printf '%s\n' "$key" >"$stamp"
    say "done"
fi

# The widget, and what the checks take from npm. A demo without the widget is better than none,
# and says so; the checks and the tests need it.
if ! scripts/web.sh build; then
    [[ $goal == run ]] || die "the widget could not be built"
    say "the widget could not be built: the demo starts without it"
fi

# What the tests drive: a browser, and what the manual tells its readers to use.
if [[ $goal == test ]]; then
    missing=()
    for program in nginx openssl sqlite3; do
        PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || missing+=("$program")
    done
    # Without a window it does the same in half the processor time. Who may not install will do
    # with a whole one.
    browser=chromium-headless-shell
    command -v "$browser" >/dev/null || { ! may_install && command -v chromium >/dev/null; } ||
        missing+=("$browser")
    command -v systemd-analyze >/dev/null || missing+=(systemd)
    ((${#missing[@]} == 0)) || apt_install "the tests need ${missing[*]}" "${missing[@]}"
fi
