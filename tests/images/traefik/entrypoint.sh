#!/bin/sh
# As in the official image: an option or a command of Traefik goes to Traefik,
# anything else is executed as given.
set -e
case "$1" in -*) set -- traefik "$@" ;; esac
if traefik "$1" --help >/dev/null 2>&1; then
    set -- traefik "$@"
else
    echo "= '$1' is not a Traefik command: assuming shell execution." >&2
fi
exec "$@"
