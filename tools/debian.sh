#!/bin/sh
# Install Debian packages if root or sudo allows, else name them loudly and fail: tools/debian.sh COMMAND[=PACKAGE]...
# One is wanted where its command is missing; the package has the command's name unless another is given.
set -u
wanted=''
for pair in "$@"; do
    PATH="$PATH:/usr/sbin" command -v "${pair%%=*}" >/dev/null 2>&1 || wanted="$wanted ${pair#*=}"
done
[ -n "$wanted" ] || exit 0
wanted=${wanted# }
if ! command -v apt-get >/dev/null 2>&1; then
    echo "NEEDED: $wanted, by this system's package manager" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    root=''
elif sudo -n true 2>/dev/null; then
    root='sudo -n'
else
    echo "NEEDED: $wanted. Install by hand: apt-get install $wanted" >&2
    exit 1
fi
echo "Installing from Debian: $wanted" >&2
$root apt-get update -qq >/dev/null 2>&1
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends $wanted >/dev/null
