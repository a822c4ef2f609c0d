"""What the configuration says to each room, in the room's own words."""

from __future__ import annotations

from gateway.cache.policy import CachePolicy, Lifetimes, Rule
from gateway.limits.quota import parse_quota
from gateway.limits.rules import Cost, Rules
from gateway.limits.signals import Signal
from gateway.limits.store import Policy
from gateway.limits.waiting import QueueSettings
from gateway.server.listen_settings import ListenSettings
from gateway.settings import Config
from gateway.upstream.breaker import BreakerSettings
from gateway.upstream.guards import GuardSettings
from gateway.upstream.protocol import ClientSettings, Timeouts


def cache_policy(config: Config, key: str) -> CachePolicy:
    """How the answers of the element ``key`` are cached."""
    section = config.element(key).cache
    names = Lifetimes._fields
    rules = tuple(Rule(rule.path, rule.enabled, **{name: getattr(rule, name) for name in names}) for rule in section.rules)
    nothing = "ttl" in section.model_fields_set and not section.ttl  # "0s" said on purpose: nothing stays fresh by itself
    return CachePolicy(section.enabled, Lifetimes(*(getattr(section, name) for name in names)), rules, metadata=not nothing)


def limit_rules(config: Config, key: str) -> Rules:
    """Within which budget the element ``key`` may be called."""
    section = config.element(key)
    quotas = tuple(parse_quota(text) for text in section.limits)
    policy = Policy(quotas, section.scope, section.timezone, section.concurrency)
    costs = tuple(Cost(one.path, one.cost, frozenset(one.methods)) for one in section.costs)
    return Rules(policy, section.wait, section.shadow, costs)


def queue_settings(config: Config) -> QueueSettings:
    """How calls wait for a budget."""
    queue = config.queue
    return QueueSettings(queue.max_calls, queue.max_bytes, queue.max_wait, queue.batch_percent)


def guard_settings(config: Config, key: str) -> GuardSettings:
    """How the element ``key`` is called, and when it is left alone."""
    section, upstream = config.element(key), config.upstream
    breaker = section.breaker
    return GuardSettings(
        timeouts=Timeouts(
            *(
                getattr(upstream, name) if (own := getattr(section, name)) is None else own
                for name in ("connect_timeout", "response_timeout", "body_timeout", "call_timeout")
            )
        ),
        breaker=BreakerSettings(
            enabled=breaker.enabled,
            error_ratio=breaker.error_ratio,
            minimum_calls=breaker.minimum_calls,
            window_s=breaker.window,
            slow_s=breaker.slow,
            slow_ratio=breaker.slow_ratio,
            open_s=breaker.open,
            max_open_s=breaker.max_open,
            probes=breaker.probes,
            ramp_s=breaker.ramp,
        ),
        bulkhead=section.bulkhead,
        adaptive=section.adaptive,
        retries=section.retries,
        retry_ratio=upstream.retry_ratio,
        signals=tuple(Signal(one.status, one.contains, one.until) for one in section.limit_signals),
    )


def client_settings(config: Config) -> ClientSettings:
    """How upstreams are called."""
    upstream = config.upstream
    return ClientSettings(
        timeouts=Timeouts(upstream.connect_timeout, upstream.response_timeout, upstream.body_timeout, upstream.call_timeout),
        keep_alive=upstream.keep_alive,
        max_connections=upstream.max_connections,
        ca_file=str(config.folder / upstream.ca_file) if upstream.ca_file else None,
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
        overload_lag=listen.overload_lag,
    )
