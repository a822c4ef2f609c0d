"""What the configuration says to each room, in the room's own words."""

from __future__ import annotations

from gateway.cache.policy import CachePolicy, Lifetimes, Rule
from gateway.limits.quota import parse_quota
from gateway.limits.store import Policy
from gateway.server.listen_settings import ListenSettings
from gateway.settings import Config
from gateway.upstream.pool import ClientSettings


def cache_policy(config: Config, key: str) -> CachePolicy:
    """How the answers of the element ``key`` are cached."""
    section = config.element(key).cache
    names = Lifetimes._fields
    rules = tuple(Rule(rule.path, rule.enabled, **{name: getattr(rule, name) for name in names}) for rule in section.rules)
    nothing = "ttl" in section.model_fields_set and not section.ttl  # "0s" said on purpose: nothing stays fresh by itself
    return CachePolicy(section.enabled, Lifetimes(*(getattr(section, name) for name in names)), rules, metadata=not nothing)


def limit_policy(config: Config, key: str) -> Policy:
    """Within which budget the element ``key`` may be called."""
    section = config.element(key)
    return Policy(tuple(parse_quota(text) for text in section.limits), section.scope, section.timezone)


def client_settings(config: Config) -> ClientSettings:
    """How upstreams are called."""
    ca_file = config.upstream.ca_file
    return ClientSettings(
        connect_timeout=config.upstream.connect_timeout,
        response_timeout=config.upstream.response_timeout,
        body_timeout=config.upstream.body_timeout,
        keep_alive=config.upstream.keep_alive,
        max_connections=config.upstream.max_connections,
        ca_file=str(config.folder / ca_file) if ca_file else None,
    )


def listen_settings(config: Config) -> ListenSettings:
    """What a listener puts up with."""
    listen = config.listen
    return ListenSettings(
        header_timeout=listen.header_timeout,
        body_timeout=listen.body_timeout,
        keep_alive_timeout=listen.keep_alive_timeout,
        write_timeout=listen.write_timeout,
        max_connections=listen.max_connections,
        max_line_bytes=listen.max_line_bytes,
        max_head_bytes=listen.max_head_bytes,
        max_fields=listen.max_fields,
        max_body_bytes=listen.max_body_bytes,
    )
