"""The hubs, and the resources that an element of each typically has (API page 3.3, 4.5).

The first 28 are those that the API page documents; it names the others as used later. Where it says only "as the provider has it",
the resources were chosen by us. Left out are names that Cloud Elements answers itself whatever token comes along: ``organizations``
(CRM), ``usage`` (messaging), ``jobs``, ``metrics`` and ``events``.
"""

from __future__ import annotations

from collections.abc import Mapping

HUBS: Mapping[str, tuple[str, ...]] = {
    hub: tuple(resources.split())
    for hub, resources in {
        "analytics": "reports segments profiles",
        "billing": "customers subscriptions invoices payments plans",
        "collaboration": "channels messages users teams projects",
        "conferencing": "meetings participants recordings users",
        "crm": "accounts contacts leads opportunities activities tasks notes users products campaigns lists incidents attachments",
        "db": "tables views customers orders",
        "documents": "team-drives members custom-fields-templates",
        "ecommerce": (
            "orders products customers customer-groups categories invoices shipments credit-memos coupons stores transactions variants "
            "reports collects"
        ),
        "employee": "employees departments teams time-off",
        "erp": "customers vendors items sales-orders purchase-orders invoices shipments employees",
        "esignature": "envelopes recipients templates users",
        "expense": "expenses reports receipts categories users",
        "finance": (
            "customers vendors invoices payments products ledger-accounts journal-entries bills vendor-credits purchase-orders "
            "sales-orders sales-receipts employees time-activities tax-codes currencies transactions companies"
        ),
        "fsa": "work-orders technicians sites assets customers",
        "general": "items users projects issues",
        "helpdesk": (
            "incidents contacts accounts users agents groups priorities statuses incident-types tasks folders invitations fields "
            "comments attachments timelogs"
        ),
        "idmanagement": "users groups roles applications",
        "marketing": "contacts accounts lists campaigns segments forms surveys programs pages leads activities channels custom-objects",
        "messaging": "messages numbers country",
        "monitoring": "alerts hosts services",
        "native": "records",
        "ocr": "scans pages-read",
        "payment": "customers charges payments refunds subscriptions plans transactions disputes",
        "pointofsale": "orders items customers employees payments",
        "questback": "quests responses respondents",
        "sageaccounting": "customers vendors invoices payments products ledger-accounts tax-codes",
        "sagepayroll": "employees departments pay-runs payslips",
        "scheduling": "appointments calendars clients",
        "humancapital": "employees departments positions candidates applications time-off",
        "social": "profiles posts comments messages",
        "screening": "candidates packages reports invitations",
        "rewards": "catalogs rewards orders customers",
        "event": "venues tickets attendees orders",
    }.items()
}
