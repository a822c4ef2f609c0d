#!/bin/sh
# Build the container image: tools/image.sh [TAG]
# With a Docker engine or Podman the pinned base is pulled. Without, buildah does it, as root, on a base that debootstrap makes and that is
# tagged as the pinned one; that base is kept for 30 days in $XDG_CACHE_HOME/cloud-elements-gateway.
#   ENGINE=docker|podman|buildah   which one, instead of the first that works
#   STORAGE=FOLDER                 where buildah keeps its images (build/image)
#   PYTHON=PROGRAM                 whose pip settings are handed to the build (python3)
set -eu
cd "$(dirname "$0")/.."
PATH="$PATH:/usr/sbin:/sbin"

say() { echo "image: $*" >&2; }
fail() { say "$@"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

choose_engine() {
    if have docker && docker info >/dev/null 2>&1; then
        echo docker
    elif have podman && podman info >/dev/null 2>&1; then
        echo podman
    else
        echo buildah
    fi
}

# The root file system that debootstrap makes, without what the official slim image leaves out either, and nothing of this machine.
make_base() {
    root=$work/root
    say "making the base with debootstrap from $(cat "$settings/mirror"); this is kept for next time"
    debootstrap --variant=minbase "$suite" "$root" "$(cat "$settings/mirror")" >"$work/debootstrap.log" 2>&1 || {
        tail -n 20 "$work/debootstrap.log" >&2
        fail "debootstrap failed"
    }
    for name in doc man locale info; do
        echo "path-exclude /usr/share/$name/*"
    done >"$root/etc/dpkg/dpkg.cfg.d/slim"
    echo "path-include /usr/share/doc/*/copyright" >>"$root/etc/dpkg/dpkg.cfg.d/slim"
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io" # a build that fails is done again; as in the official image
    find "$root/usr/share/doc" ! -type d ! -name copyright -delete
    find "$root/usr/share/man" "$root/usr/share/locale" "$root/usr/share/info" ! -type d -delete
    find "$root/usr/share" -type d -empty -delete
    rm -rf "$root/var/cache/apt" "$root"/var/cache/debconf/*-old "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root/etc/resolv.conf" \
        "$root/etc/hostname" "$root/debootstrap"
    {
        for name in "$suite" "$suite-updates"; do echo "deb http://deb.debian.org/debian $name main"; done
        echo "deb http://deb.debian.org/debian-security $suite-security main"
    } >"$root/etc/apt/sources.list"
    mkdir -p "$cache"
    rm -f "$cache"/debian-*
    tar --numeric-owner --xattrs -C "$root" -cf - . | gzip -1 >"$base.$$"
    mv "$base.$$" "$base"
    rm -rf "$root"
}

build_with_buildah() {
    missing=''
    for program in buildah debootstrap; do have "$program" || missing="$missing $program"; done
    [ -z "$missing" ] || fail "NEEDED:$missing. Install by hand: apt-get install$missing"
    [ "$(id -u)" = 0 ] || fail "NEEDED: root, for debootstrap and for an isolation by chroot: sudo tools/image.sh, or a Docker engine, or Podman"
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/cloud-elements-gateway
    base=$cache/debian-$suite-$(dpkg --print-architecture)-$(cksum <tools/image.sh | cut -d ' ' -f 1).tar.gz # anew when the recipe changes
    [ -n "$(find "$base" -mtime -30 2>/dev/null)" ] || make_base
    buildah() { command buildah --root "$storage" --runroot "$work/run" --storage-driver vfs "$@"; }
    if ! buildah inspect --type image "$pinned" >/dev/null 2>&1; then
        say "importing the base as $pinned"
        made=$(buildah from scratch)
        buildah add -q "$made" "$base" / >/dev/null
        buildah config --cmd bash "$made"
        buildah commit -q --rm "$made" "$pinned" >/dev/null
    fi
    while read -r volume; do set -- "$@" --volume "$volume:ro"; done <"$settings/volumes"
    buildah build --isolation chroot --pull-never --format docker --label "org.opencontainers.image.base.name=debootstrap $suite as $pinned" \
        "$@" .
    buildah rmi --prune >/dev/null 2>&1 || true # what the tag named before
    size=$(buildah images --format '{{.Size}}' "$tag")
}

dockerfile_base=$(sed -n 's/^ARG BASE=//p' Dockerfile)
pinned=${dockerfile_base%@*}
suite=${pinned##*:}
suite=${suite%%-*}
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' gateway/__init__.py)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
tag=${1:-cloud-elements-gateway:$version}
engine=${ENGINE:-$(choose_engine)}
storage=${STORAGE:-$PWD/build/image}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
settings=$work/settings
mkdir -m 0700 "$settings"
"${PYTHON:-python3}" tools/mirrors.py "$settings" "$suite"

started=$(date +%s)
say "building $tag with $engine"
set -- --build-arg "VERSION=$version" --build-arg "REVISION=$revision" --tag "$tag" --file Dockerfile
for name in ca apt sources netrc pip; do
    set -- "$@" --secret "id=$name,src=$settings/$name"
done
case $engine in
docker)
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        eval "value=\${$name:-}"
        [ -z "$value" ] || set -- "$@" --build-arg "$name"
    done
    docker build "$@" .
    size=$(docker image inspect --format '{{.Size}}' "$tag" | awk '{ printf "%.0f MB", $1 / 1e6 }')
    ;;
podman)
    while read -r volume; do set -- "$@" --volume "$volume:ro"; done <"$settings/volumes"
    podman build --format docker "$@" .
    size=$(podman image inspect --format '{{.Size}}' "$tag" | awk '{ printf "%.0f MB", $1 / 1e6 }')
    ;;
buildah)
    set -- "$@" --build-arg "BASE=$pinned"
    build_with_buildah "$@"
    ;;
*) fail "ENGINE: found $engine, expected docker, podman or buildah" ;;
esac
say "built $tag in $(($(date +%s) - started)) s: $size unpacked"
if [ "$engine" = buildah ]; then
    say "to run it elsewhere: buildah --root $storage --storage-driver vfs push $tag docker-archive:gateway.tar, and there docker load -i gateway.tar"
fi
