"""The limit of each element, from API page 8.2: the figures of the smallest plan. An element that is not here has none.

Where the page has no number (marked "ours") the figure is a plausible one, so that the provider's form of refusal can be met at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.sandbox.limits.settings import ElementLimit

_LINES: tuple[tuple[str, str, int, str], ...] = (
    # keys, limits, concurrency, form
    ("hubspot hubspotcrm", "100/10s, 250000/day", 0, "hubspot"),
    ("sfdc sfdcservicecloud", "100000/24h", 25, "salesforce"),
    ("servicenow servicenowoauth", "500/h", 0, "retry-after"),
    ("sapc4chd sapc4ccrm", "150000/24h", 10, "plain"),
    ("quickbooks", "500/min", 10, "quickbooks"),
    ("zendesk", "200/min", 0, "retry-after"),
    ("dropbox dropboxv2 dropboxbusiness", "300/min", 0, "retry-after"),  # ours: not published
    ("box", "1000/min", 0, "retry-after"),
    ("shopify", "2/s burst 40", 0, "plain"),
    ("mailchimpv3", "", 10, "plain"),
    ("marketo", "100/20s, 50000/day", 10, "marketo"),
    ("freshdeskv2", "200/min", 0, "retry-after"),
    ("freshservice", "100/min", 0, "retry-after"),
    ("xero", "60/min, 5000/day", 5, "xero"),
    ("netsuitefinancev2 netsuiteerpv2 netsuitecrmv2", "", 1, "netsuite"),
    ("hootsuite", "20/s, 100000/day", 0, "plain"),
    ("constantcontact", "4/s, 10000/day", 0, "plain"),
    ("icontact", "10000/h, 70000/24h", 0, "plain"),
    ("egnyte", "2/s, 1000/day", 0, "forbidden"),
    ("googlecalendar", "1000000/day", 0, "google"),
    ("googledrive gmail", "1000/100s", 0, "google"),  # ours: the quota page of the customer's own project
    ("github", "5000/h", 0, "plain"),
    ("fortnox", "4/s", 0, "plain"),
    ("sugarcrmv2", "20/s", 0, "plain"),
    ("salesforcemarketingcloud", "100/10s", 0, "retry-after"),  # ours: "variable, no number"
)

TABLE: Mapping[str, ElementLimit] = {
    key: ElementLimit(limits=[limit for limit in limits.split(", ") if limit], concurrency=concurrency, form=form)
    for keys, limits, concurrency, form in _LINES
    for key in keys.split()
}
