"""The configuration that ``gateway init`` writes."""

SAMPLE = """\
# Configuration of Gateway. Every value can be overridden by an environment variable GATEWAY__SECTION__NAME,
# such as GATEWAY__LISTEN__DATA=0.0.0.0:8080. `gateway check` reports every mistake at once.
# Durations read "500ms", "2s", "10m", "1h", "90d"; sizes "64KiB", "256MiB". Files are relative to this one.

# Where a call goes that names no environment, and whose key has several.
default_environment = "dev"

# Cloud Elements' secrets may stand here literally only if you say so. Not for production.
# allow_plain_secrets = true

# Of the log on standard error: debug, info, warning, error. The access log is a JSON line a call on standard output.
# log_level  = "info"
# access_log = true
# inspectable = false                    # true lets debuggers of the same user look into the process, secrets and all

# Services call `data`; operators and Prometheus call `admin`. Keep both inside.
[listen]
data  = "127.0.0.1:8080"
admin = "127.0.0.1:8081"
# drain_timeout = "30s"                  # how long open calls may take to finish after SIGTERM

# HTTPS for services; the same as [listen.admin_tls] for operators. Renewed files are taken up without a restart.
# [listen.data_tls]
# certificate = "gateway.pem"            # the certificate, then its intermediates
# key         = "gateway.key"
# client_ca   = "clients.pem"            # only where callers may show certificates

# By a name in a client certificate, the id of the key that it stands for (`gateway keys list`).
# [callers.certificates]
# "spiffe://shop/orders" = "f3k9x2m7q1ab"

# Mappings and caller keys are rows of one SQLite file.
[database]
url = "sqlite:///gateway.db"

# Tokens are encrypted under a master key: a line a key, `id:base64 of 32 bytes`; the first encrypts, all decrypt.
# Keep a copy elsewhere. `env:NAME` reads the same text from an environment variable.
[vault]
keys = "file:master.keys"

# An environment is one Cloud Elements account: its address and its two secrets, `env:NAME` or `file:PATH`.
# Add as many as you need: [environments.production], …
[environments.dev]
base_url            = "https://api.cloud-elements.com/elements/api-v2"
user_secret         = "env:CE_DEV_USER_SECRET"
organization_secret = "env:CE_DEV_ORGANIZATION_SECRET"
# user_secret_next = "env:CE_DEV_USER_SECRET_NEXT"   # takes over without a failed call once Cloud Elements takes it

# An element's limits and cache come from its shipped preset; say here what shall differ.
# All limits hold at once: "N/period" (never more than N in any stretch of that length), or "N/period burst B".
# A period is `10s`, `min`, `2h`, or `day` or `month` of the calendar in `timezone`.
# [elements.hubspot]
# limits      = ["100/10s", "250000/day"]
# concurrency = 10                       # how many calls of one budget may be under way at once
# scope       = "instance"               # what shares one budget: instance, customer, element, group
# timezone    = "UTC"
# wait        = "2s"                     # how long a call may queue for its budget whose caller does not say (Prefer: wait)
# shadow      = true                     # only count what the budget would refuse
# retries     = 1                        # how often a call is made again that failed, where that is safe
# response_timeout = "30s"               # as in [upstream], for this element

# Calls that cost more than one of the budget; the first match wins.
# [[elements.hubspot.costs]]
# path = "/bulk/**"
# cost = 10

# An element that keeps failing is left alone for a while, and taken back step by step.
# [elements.hubspot.breaker]
# enabled     = true
# error_ratio = 0.5                      # of at least 20 calls in 30 s
# open        = "10s"                    # how long nothing is sent, at first

# How long answers count as fresh that do not say so themselves; "0s": only what the answer itself allows.
# [elements.hubspot.cache]
# enabled        = true
# ttl            = "60s"
# stale_if_error = "10m"                 # how long past that an answer is given where the upstream fails

# By path, without /elements/api-v2 and /hubs/{hub}; the first match wins.
# [[elements.hubspot.cache.rules]]
# path = "/objects/**"
# ttl  = "1h"

# How much memory the cache may take, in all and for one answer.
[cache]
max_bytes        = "256MiB"
max_object_bytes = "1MiB"

# How the gateway behaves towards Cloud Elements.
[upstream]
connect_timeout  = "5s"
response_timeout = "120s"                # until the head of the answer
body_timeout     = "60s"                 # how long an answer may pause
# call_timeout   = "5m"                  # for the whole of a call; callers may say less (Gateway-Timeout)

# Calls that wait for a budget.
# [queue]
# max_wait  = "5m"                       # the longest that a call may ask for
# max_calls = 10000

# First answers that are kept for calls with an Idempotency-Key.
# [idempotency]
# keep      = "24h"
# max_bytes = "64MiB"

# Which pages of other origins may call, such as "https://app.example.com". Nobody's, unless you say so.
[cors]
allowed_origins = []

# Each call as a trace, delivered over OTLP. Needs the extra: pip install 'cloud-elements-gateway[tracing]'
# [tracing]
# enabled      = true
# endpoint     = "http://127.0.0.1:4318"
# sample_ratio = 0.1                     # of the calls whose caller has not decided
"""
