#!/bin/sh
# Make a virtual environment in which the gateway is compiled, and all else is VENV's: tools/compiled.sh VENV FOLDER
# FOLDER/bin/gateway is it, then. Needs a C compiler and Python's headers; Debian's are installed where root or sudo allows.
set -eu
cd "$(dirname "$0")/.."
venv=$1 folder=$2
python="$venv/bin/python"

tools/debian.sh gcc
headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include") + "/Python.h")')
[ -e "$headers" ] || tools/debian.sh "python-headers=$("$python" -c 'import sys; print("python%d.%d-dev" % sys.version_info[:2])')"

echo "Compiling the gateway into $folder: a minute or two" >&2
rm -rf "$folder" build/lib*
"$python" -m venv --without-pip "$folder"
log="$folder/compiling.log"
pip="$python -m pip --disable-pip-version-check"
if ! GATEWAY_COMPILED=1 $pip wheel --no-deps --no-build-isolation --no-cache-dir --wheel-dir "$folder/wheel" . >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    exit 1
fi
$pip --python "$folder/bin/python" install --quiet --no-deps --no-index "$folder"/wheel/*.whl
# After what is installed there: the packages, and the tests.
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$folder/rest.pth"
pwd >>"$folder/rest.pth"
mv "$folder/rest.pth" "$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
touch "$folder/.complete"
