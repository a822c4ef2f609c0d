# The gateway, its hot modules compiled, on Debian's Python with exactly the packages of requirements-runtime.lock: no compiler, no pip, no
# package lists, no tests.
# `docker build .` makes it; so does tools/image.sh, which also works without a Docker engine and behind private mirrors.
# The secrets are optional and stay out of the image: the builder's CA bundle, and how it reaches its mirrors of Debian and PyPI.
ARG BASE=docker.io/library/debian:bookworm-20260918-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251

FROM ${BASE} AS python
RUN --mount=type=secret,id=apt,mode=0444 --mount=type=secret,id=sources,mode=0444 --mount=type=secret,id=netrc,mode=0444 \
    --mount=type=secret,id=ca,mode=0444 \
    set -eu; \
    if [ -s /run/secrets/apt ]; then export APT_CONFIG=/run/secrets/apt; fi; \
    apt-get update -qq; \
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends ca-certificates python3 tzdata >/dev/null; \
    useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin gateway; \
    install -d -o gateway -g gateway -m 0750 /data; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/*.log /tmp/* /root/.cache

FROM python AS build
WORKDIR /source
COPY LICENSE README.md setup.py pyproject.toml requirements.lock requirements-runtime.lock ./
# The lock's own lines for setuptools and mypy build the wheel; they never enter the environment that is copied, but see its packages,
# whose types mypy looks at. The last three lines take away a third of its size: the packages' own tests, maps and an editor for browsers, and debugging symbols.
RUN --mount=type=secret,id=apt,mode=0444 --mount=type=secret,id=sources,mode=0444 --mount=type=secret,id=netrc,mode=0444 \
    --mount=type=secret,id=ca,mode=0444 --mount=type=secret,id=pip,mode=0444 \
    set -eu; \
    if [ -s /run/secrets/apt ]; then export APT_CONFIG=/run/secrets/apt; fi; \
    if [ -s /run/secrets/pip ]; then export PIP_CONFIG_FILE=/run/secrets/pip; fi; \
    export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_ONLY_BINARY=:all:; \
    apt-get update -qq; \
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends binutils gcc libc6-dev python3-dev python3-venv >/dev/null; \
    python3 -m venv /build; \
    sed -n '/^\(setuptools\|mypy\|mypy-extensions\|ast-serialize\|librt\|pathspec\|typing-extensions\|types-cachetools\)==/,/[^\\]$/p' \
        requirements.lock > build.lock; \
    /build/bin/pip install -q --require-hashes -r build.lock; \
    python3 -m venv --without-pip /opt/gateway; \
    ls -d /opt/gateway/lib/python3*/site-packages > "$(ls -d /build/lib/python3*/site-packages)/packages.pth"; \
    /build/bin/pip --python /opt/gateway/bin/python install -q --require-hashes --no-deps -r requirements-runtime.lock; \
    find /opt/gateway/lib -depth -type d \( -name tests -o -name test \) -exec rm -rf {} +; \
    find /opt/gateway/lib \( -name '*.map' -o -name 'swagger-editor*' \) -delete; \
    find /opt/gateway/lib -name '*.so*' -exec strip --strip-unneeded {} +
COPY gateway gateway
RUN GATEWAY_COMPILED=1 PATH="/build/bin:$PATH" /build/bin/pip wheel -q --no-deps --no-build-isolation --no-cache-dir --disable-pip-version-check --wheel-dir dist . && \
    /build/bin/pip --python /opt/gateway/bin/python install -q --no-deps --no-index --no-cache-dir --disable-pip-version-check dist/*.whl && \
    /build/bin/pip --python /opt/gateway/bin/python check

FROM python
ARG BASE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Gateway" \
      org.opencontainers.image.description="One local URL through which a company's services reach Cloud Elements" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=build /opt/gateway /opt/gateway
# Inside a container a loopback address can be reached by nobody; who may reach these is decided by what is published.
ENV PATH=/opt/gateway/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    GATEWAY__LISTEN__DATA=0.0.0.0:8080 \
    GATEWAY__LISTEN__ADMIN=0.0.0.0:8081 \
    HEALTHCHECK_URL=http://127.0.0.1:8080/healthz
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# No proxy may stand between: ProxyHandler({}) ignores the container's proxy variables. A status from 400 on raises.
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-I", "-c", "import os, urllib.request as u; u.build_opener(u.ProxyHandler({})).open(os.environ['HEALTHCHECK_URL'], timeout=4)"]
ENTRYPOINT ["gateway"]
CMD ["serve", "-c", "/data/gateway.toml"]
