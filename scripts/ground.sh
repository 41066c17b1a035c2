# shellcheck shell=bash
# The common ground of the scripts: sourced first by each of them.
# Leaves the caller in the root of the repository, with CACHE for downloads.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
CACHE=$PWD/.cache
mkdir -p "$CACHE/logs"
# What is made here because no distribution has it.
PATH=$CACHE/cargo-deny/bin:$PATH

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
warn() { say "$*" >&2; }
die() {
    warn "$*"
    exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

# Whether packages can be installed here without asking anybody.
can_install() { [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && has apt-get; }

# Installs Debian packages; the package lists are refreshed once a day at most.
install_packages() {
    local log=$CACHE/logs/apt.log
    say "installing Debian packages: $*"
    if [ -z "$(find "$CACHE/apt-updated" -mtime -1 2>/dev/null)" ]; then
        apt-get update -q >"$log" 2>&1 || die "apt-get update failed: $(tail -n 3 "$log")"
        touch "$CACHE/apt-updated"
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >>"$log" 2>&1 ||
        die "apt-get install failed: $(tail -n 5 "$log")"
}

# Runs a command whose output matters only when it fails.
quietly() {
    local log=$CACHE/logs/$1.log
    shift
    "$@" >"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    die "failed: $* (all of it in $log)"
}
