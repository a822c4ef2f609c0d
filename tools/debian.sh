#!/bin/sh
# Install a Debian package if root or sudo allows, else name it loudly and fail: tools/debian.sh PACKAGE
set -u
if ! command -v apt-get >/dev/null 2>&1; then
    echo "NEEDED: $1, by this system's package manager" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    root=''
elif sudo -n true 2>/dev/null; then
    root='sudo -n'
else
    echo "NEEDED: $1. Install it by hand: apt-get install $1" >&2
    exit 1
fi
echo "Installing the Debian package $1" >&2
$root apt-get update -qq >/dev/null 2>&1
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq "$1" >/dev/null
