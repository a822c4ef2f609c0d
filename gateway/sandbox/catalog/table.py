"""The elements: those of the API page's tables (3.1, 8.2), and one for each hub that would have none.

The ids below 2000 are of API page 3.1 (and ours where that says nothing); those from 3001 are ours. Five have what we know of
their provider written out; of the others the hub says what they hold.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.sandbox.catalog.element import Element, Resource, vendor_name
from gateway.sandbox.catalog.hubs import HUBS

_OAUTH = ("oauth.api.key", "oauth.api.secret", "oauth.callback.url")
_REQUIRED = {"oauth2": _OAUTH, "oauth1": _OAUTH, "basic": ("username", "password"), "apiKey": ("username",)}


def _resources(hub: str, known: Mapping[str, Resource], without: str = "") -> dict[str, Resource]:
    """What the hub typically has, under the names that we know, those first."""
    others = {name: Resource(vendor_name(name)) for name in HUBS[hub] if name not in known and name not in without.split()}
    return {**known, **others}


_KNOWN = (
    Element(
        43, "hubspot", "HubSpot", "marketing", "oauth2", _OAUTH,
        _resources("marketing", {
            "contacts": Resource("Contact", "51"), "accounts": Resource("Company", "27"), "lists": Resource("List", "9"),
            "campaigns": Resource("Campaign", "31"), "segments": Resource("Segment", "32"), "forms": Resource("Form", "33"),
            "surveys": Resource("Survey", "34"), "programs": Resource("Program", "35"), "pages": Resource("Page", "36"),
            "leads": Resource("Lead", "37"), "activities": Resource("Engagement", "38"), "channels": Resource("Channel", "39"),
            "custom-objects": Resource("CustomObject", "40"),
        }),
        "{prefix}{n:04d}", max_page=100,
    ),
    Element(
        23, "sfdc", "Salesforce Sales Cloud", "crm", "oauth2", _OAUTH,
        _resources("crm", {
            "contacts": Resource("Contact", "003"), "accounts": Resource("Account", "001"), "incidents": Resource("Case", "500"),
            "leads": Resource("Lead", "00Q"), "opportunities": Resource("Opportunity", "006"), "activities": Resource("Event", "00U"),
            "tasks": Resource("Task", "00T"), "notes": Resource("Note", "002"), "users": Resource("User", "005"),
            "products": Resource("Product2", "01t"), "campaigns": Resource("Campaign", "701"), "attachments": Resource("Attachment", "00P"),
        }, without="lists"),
        "{prefix}{upper:.12}AAA", {"updatedDate": "LastModifiedDate"}, "pascal", provider_page=2000,
    ),
    Element(
        1221, "servicenowoauth", "ServiceNow OAuth", "helpdesk", "oauth2", (*_OAUTH, "servicenow.subdomain"),
        _resources("helpdesk", {
            "incidents": Resource("incident"), "contacts": Resource("customer_contact"), "accounts": Resource("customer_account"),
            "users": Resource("sys_user"), "groups": Resource("sys_user_group"),
        }),
        "{digest:.32}",
        {"subject": "short_description", "status": "state", "accountId": "account", "contactId": "caller_id",
         "createdDate": "sys_created_on", "updatedDate": "sys_updated_on"},
        "snake",
    ),
    Element(
        2195, "sapc4chd", "SAP Cloud for Customer Help Desk", "helpdesk", "basic", ("base.url", "username", "password"),
        _resources("helpdesk", {
            "incidents": Resource("ServiceRequest"), "contacts": Resource("Contact"), "accounts": Resource("CorporateAccount"),
        }),
        "00163E{upper:.26}", {"accountId": "AccountID", "contactId": "ContactID", "firstName": "FirstName", "lastName": "LastName"},
    ),
    Element(
        83, "closeio", "Close.io", "crm", "basic", ("username",),
        _resources("crm", {
            "contacts": Resource("contact", "cont_"), "accounts": Resource("lead", "lead_"),
            "opportunities": Resource("opportunity", "oppo_"),
            "tasks": Resource("task", "task_"), "notes": Resource("note", "acti_"), "users": Resource("user", "user_"),
            "activities": Resource("activity", "acti_"),
        }, without="leads incidents products campaigns lists attachments"),
        "{prefix}{digest:.20}", {"accountId": "lead_id", "createdDate": "date_created", "updatedDate": "date_updated"},
    ),
)  # fmt: skip

# id, key, name, hub, how it is connected
_OTHERS: tuple[tuple[int, str, str, str, str], ...] = (
    (14, "dropbox", "Dropbox", "documents", "oauth2"),
    (16, "amazons3", "Amazon S3", "documents", "basic"),
    (21, "googledrive", "Google Drive", "documents", "oauth2"),
    (22, "box", "Box", "documents", "oauth2"),
    (29, "sfdcservicecloud", "Salesforce Service Cloud", "helpdesk", "oauth2"),
    (39, "quickbooks", "QuickBooks Online", "finance", "oauth1"),
    (41, "zendesk", "Zendesk", "helpdesk", "oauth2"),
    (85, "marketo", "Marketo", "marketing", "apiKey"),
    (1779, "dropboxv2", "Dropbox v2", "documents", "oauth2"),
    (3001, "hubspotcrm", "HubSpot CRM", "crm", "oauth2"),
    (3002, "servicenow", "ServiceNow", "helpdesk", "basic"),
    (3003, "sapc4ccrm", "SAP Cloud for Customer CRM", "crm", "basic"),
    (3004, "dropboxbusiness", "Dropbox Business", "documents", "oauth2"),
    (3005, "egnyte", "Egnyte", "documents", "oauth2"),
    (3006, "shopify", "Shopify", "ecommerce", "oauth2"),
    (3007, "bigcommerce", "BigCommerce", "ecommerce", "basic"),
    (3008, "mailchimpv3", "Mailchimp", "marketing", "oauth2"),
    (3009, "constantcontact", "Constant Contact", "marketing", "oauth2"),
    (3010, "icontact", "iContact", "marketing", "basic"),
    (3011, "campaignmonitor", "Campaign Monitor", "marketing", "oauth2"),
    (3012, "salesforcemarketingcloud", "Salesforce Marketing Cloud", "marketing", "oauth2"),
    (3013, "freshdeskv2", "Freshdesk", "helpdesk", "apiKey"),
    (3014, "freshservice", "Freshservice", "helpdesk", "apiKey"),
    (3015, "xero", "Xero", "finance", "oauth1"),
    (3016, "netsuitefinancev2", "NetSuite Finance", "finance", "basic"),
    (3017, "fortnox", "Fortnox", "finance", "oauth2"),
    (3018, "freshbooks", "FreshBooks", "finance", "oauth2"),
    (3019, "netsuiteerpv2", "NetSuite ERP", "erp", "basic"),
    (3020, "netsuitecrmv2", "NetSuite CRM", "crm", "basic"),
    (3021, "sugarcrmv2", "SugarCRM", "crm", "oauth2"),
    (3022, "hootsuite", "Hootsuite", "social", "oauth2"),
    (3023, "linkedin", "LinkedIn", "social", "oauth2"),
    (3024, "googlecalendar", "Google Calendar", "scheduling", "oauth2"),
    (3025, "gmail", "Gmail", "general", "oauth2"),
    (3026, "github", "GitHub", "general", "oauth2"),
    (3027, "greenhouse", "Greenhouse", "humancapital", "apiKey"),
    (3028, "mixpanel", "Mixpanel", "analytics", "apiKey"),
    (3029, "plaid", "Plaid", "payment", "apiKey"),
    (3030, "clover", "Clover", "pointofsale", "oauth2"),
    (3031, "twilio", "Twilio", "messaging", "basic"),
    (3032, "slack", "Slack", "collaboration", "oauth2"),
    (3033, "stripe", "Stripe", "payment", "apiKey"),
    (3034, "recurly", "Recurly", "billing", "apiKey"),
    (3035, "gotomeeting", "GoToMeeting", "conferencing", "oauth2"),
    (3036, "mysql", "MySQL", "db", "basic"),
    (3037, "namely", "Namely", "employee", "oauth2"),
    (3038, "docusign", "DocuSign", "esignature", "oauth2"),
    (3039, "concur", "Concur", "expense", "oauth2"),
    (3040, "fieldaware", "FieldAware", "fsa", "apiKey"),
    (3041, "okta", "Okta", "idmanagement", "apiKey"),
    (3042, "librato", "Librato", "monitoring", "basic"),
    (3043, "nativesandbox", "Native", "native", "apiKey"),
    (3044, "abbyy", "ABBYY", "ocr", "basic"),
    (3045, "questback", "Questback", "questback", "basic"),
    (3046, "sageone", "Sage Accounting", "sageaccounting", "oauth2"),
    (3047, "sagepayrollus", "Sage Payroll", "sagepayroll", "basic"),
    (3048, "accuratebackground", "Accurate Background", "screening", "basic"),
    (3049, "tangocard", "Tango Card", "rewards", "basic"),
    (3050, "eventbrite", "Eventbrite", "event", "oauth2"),
)
_BY_PATH = frozenset({"dropbox", "dropboxv2", "dropboxbusiness", "amazons3"})


def _other(id_: int, key: str, name: str, hub: str, authentication: str) -> Element:
    kind = "basic" if authentication == "apiKey" else authentication
    resources = _resources(hub, {})
    max_page = 100 if key == "hubspotcrm" else 5000  # API page 8.2
    return Element(id_, key, name, hub, kind, _REQUIRED[authentication], resources, max_page=max_page, by_path=key in _BY_PATH)


ELEMENTS: Mapping[str, Element] = {element.key: element for element in (*_KNOWN, *(_other(*line) for line in _OTHERS))}


def find_element(key_or_id: str) -> Element | None:
    return ELEMENTS.get(key_or_id) or _BY_ID.get(key_or_id)


_BY_ID = {str(element.id): element for element in ELEMENTS.values()}
