"""The required and optimal tests of http-cache-tests 0.4.5 that the gateway does not pass, each with its reason.

``NOT_APPLICABLE`` are left out of the count, for every proxy alike; ``ON_PURPOSE`` are counted as not passed.
"""

from __future__ import annotations

Reasons = dict[str, tuple[str, ...]]

NOT_APPLICABLE: Reasons = {
    "A caller's Authorization is how it says to the gateway who it is, and never goes up; each instance has a cache of its own, which is "
    "what RFC 9111 §3.5 asks for": (
        "other-authorization",
        "other-authorization-public",
        "other-authorization-must-revalidate",
        "other-authorization-smaxage",
    ),
    "Cookies never go down to callers (they would be the session of another), so an answer cannot be looked at for them": (
        "headers-store-Set-Cookie",
        "headers-store-Set-Cookie2",
        "304-etag-update-response-Set-Cookie",
        "304-etag-update-response-Set-Cookie2",
        "other-set-cookie",
    ),
    "RFC 9111 §5.1 says the opposite: an Age that cannot be read is ignored, of several the first counts. The suite's newer cut, which is "
    "not on npm, expects that too": (
        "age-parse-nonnumeric",
        "age-parse-negative",
        "age-parse-float",
        "age-parse-prefix-twoline",
        "age-parse-dup-0",
        "age-parse-dup-0-twoline",
        "age-parse-dup-old",
        "age-parse-parameter",
        "age-parse-numeric-parameter",
    ),
    "The origin hangs up without a word, and the suite looks for a field of the origin's in the answer to that: none can have it. The "
    "newer cut asks for its absence, and our own test for the same thing passes": (
        "stale-close-must-revalidate",
        "stale-close-proxy-revalidate",
        "stale-close-no-cache",
        "stale-close-s-maxage=2",
    ),
    "RFC 9111 §4.3.2 says the opposite: without Last-Modified, Date is compared, and here it is later than what the caller has": (
        "conditional-lm-fresh-no-lm",
    ),
}

ON_PURPOSE: Reasons = {
    "A 5xx to a write leaves open whether it happened, so what it touches is dropped: no stale answer for the price of one call": (
        "invalidate-POST-failed",
        "invalidate-PUT-failed",
        "invalidate-DELETE-failed",
        "invalidate-M-SEARCH-failed",
    ),
    "Parts are served out of whole answers, but not stored themselves (RFC 9111 §3.3 leaves that open). The Content-Range that the suite "
    "sends does not fit its body, so a cache that looks at it would have to refuse it": (
        "partial-store-partial-reuse-partial",
        "partial-store-partial-reuse-partial-byterange",
        "partial-store-partial-reuse-partial-absent",
        "partial-store-partial-reuse-partial-suffix",
        "partial-store-partial-complete",
    ),
    "An origin may choose by the order of languages where their weights are the same, and only the origin knows what it would choose": (
        "vary-normalise-lang-order",
        "vary-normalise-lang-select",
    ),
    "A transfer coding that cannot be undone is refused, since where such a message ends is in doubt (request smuggling)": (
        "headers-store-Transfer-Encoding",
    ),
    "A 304 with another strong validator speaks of another representation and must not renew the stored one (RFC 9111 §4.3.4)": (
        "304-etag-update-response-ETag",
    ),
}


def listed(reasons: Reasons) -> frozenset[str]:
    """Every test that has a reason."""
    return frozenset(id for ids in reasons.values() for id in ids)
