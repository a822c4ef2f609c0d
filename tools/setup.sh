#!/bin/sh
# Make a virtual environment with exactly the locked packages and this project in it: tools/setup.sh FOLDER
# Where Debian has split off what Python needs for that, apt-get is asked, if root or sudo allows; otherwise the package is named.
set -eu
venv=$1
cd "$(dirname "$0")/.."

for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$candidate
        break
    fi
done
if [ -z "${python:-}" ]; then
    echo "Python 3.11 or newer is needed and was not found. On Debian: apt-get install python3 python3-venv" >&2
    exit 1
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    tools/debian.sh "python$version-venv" || tools/debian.sh python3-venv
fi

echo "Making $venv with $("$python" --version)" >&2
"$python" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
touch "$venv/.complete"
