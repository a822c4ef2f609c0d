"""What a row of each resource holds, in a line a resource: ``name:kind``, ``?`` behind it where one row in five has a null there.

=====================  ==============================================================
``ref(accounts)``      the id of a row of another resource of the same instance
``one(open,closed)``   one of these texts
``number(5,4000)``     a whole number, both ends included
``serial(INV-)``       the text and the row's number
``money``              an amount with two decimals
``flag date text title person email phone company url code``
=====================  ==============================================================

A ``ref`` makes the resource a child of what it points at: ``notes`` with ``accountId:ref(accounts)`` is also found below
``/accounts/{id}/notes`` (API page 4.5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_FIELD = re.compile(r"(?P<name>\w+):(?P<kind>[a-z]+)(?:\((?P<details>[^)]*)\))?(?P<nullable>\??)")


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a row: ``details`` are what stands in the brackets."""

    name: str
    kind: str
    details: tuple[str, ...] = ()
    nullable: bool = False


_PLAIN = "name:title description:text? status:one(active,inactive)"

_LINES: Mapping[str, str] = {
    "accounts": "name:company website:url industry:one(Retail,Transport)? numberOfEmployees:number(5,4000)",
    "contacts": "firstName:person lastName:person email:email phone:phone? title:title? accountId:ref(accounts)",
    "lists": "name:title type:one(STATIC,DYNAMIC)",
    "incidents": (
        "subject:title description:text status:one(open,pending,closed) priority:number(1,4) contactId:ref(contacts) "
        "accountId:ref(accounts)"
    ),
    # CRM
    "leads": "firstName:person lastName:person email:email company:company status:one(new,working,converted) source:one(web,event,call)?",
    "opportunities": "name:title amount:money stage:one(prospect,proposal,won,lost) closeDate:date accountId:ref(accounts)",
    "activities": "subject:title type:one(call,meeting,email) dueDate:date done:flag contactId:ref(contacts)? accountId:ref(accounts)?",
    "tasks": "subject:title dueDate:date? done:flag accountId:ref(accounts)? incidentId:ref(incidents)?",
    "notes": "title:title body:text accountId:ref(accounts)? contactId:ref(contacts)?",
    "users": "firstName:person lastName:person email:email active:flag",
    "products": "name:title sku:code price:money currency:one(USD,EUR,GBP) active:flag",
    "campaigns": "name:title type:one(email,webinar,advertisement) status:one(planned,running,completed) budget:money? startDate:date",
    "attachments": "name:title contentType:one(application/pdf,image/png) size:number(100,90000) incidentId:ref(incidents)?",
    # help desk
    "agents": "firstName:person lastName:person email:email available:flag groupId:ref(groups)",
    "groups": "name:title description:text?",
    "priorities": "name:one(low,medium,high,urgent) order:number(1,4)",
    "statuses": "name:one(new,open,pending,solved,closed) order:number(1,5)",
    "comments": "body:text public:flag incidentId:ref(incidents)? postId:ref(posts)?",
    "timelogs": "minutes:number(5,480) note:text? incidentId:ref(incidents) agentId:ref(agents)",
    "folders": "name:title visible:flag",
    "invitations": "email:email sentDate:date accepted:flag candidateId:ref(candidates)?",
    "fields": "name:title type:one(text,number,date) required:flag",
    # marketing
    "segments": "name:title size:number(0,50000)",
    "forms": "name:title submissions:number(0,9000) active:flag",
    "surveys": "name:title questions:number(1,30) closesDate:date?",
    "programs": "name:title channel:one(email,social,event) cost:money?",
    "pages": "name:title url:url published:flag",
    "channels": "name:title type:one(email,social,chat) topic:text?",
    # finance, ERP, accounting, payroll
    "customers": "name:company email:email phone:phone? balance:money currency:one(USD,EUR,GBP) active:flag",
    "vendors": "name:company email:email balance:money active:flag",
    "invoices": (
        "number:serial(INV-) customerId:ref(customers)? orderId:ref(orders)? total:money currency:one(USD,EUR,GBP) "
        "status:one(draft,sent,paid,void) dueDate:date"
    ),
    "payments": "reference:code amount:money date:date method:one(card,transfer,cash) customerId:ref(customers)? invoiceId:ref(invoices)?",
    "ledger-accounts": "name:title number:number(1000,9999) type:one(asset,liability,income,expense) balance:money",
    "journal-entries": "number:serial(JE-) date:date amount:money ledgerAccountId:ref(ledger-accounts) memo:text?",
    "bills": "number:serial(BILL-) vendorId:ref(vendors) total:money dueDate:date paid:flag",
    "vendor-credits": "number:serial(VC-) vendorId:ref(vendors) amount:money date:date",
    "purchase-orders": "number:serial(PO-) vendorId:ref(vendors) total:money status:one(open,received,closed)",
    "sales-orders": "number:serial(SO-) customerId:ref(customers) total:money status:one(open,shipped,billed)",
    "sales-receipts": "number:serial(SR-) customerId:ref(customers) total:money date:date",
    "employees": "firstName:person lastName:person email:email title:title startDate:date departmentId:ref(departments)? active:flag",
    "time-activities": "minutes:number(15,600) date:date employeeId:ref(employees) billable:flag",
    "tax-codes": "name:code rate:number(0,25) active:flag",
    "currencies": "code:one(USD,EUR,GBP,CHF) name:title",
    "transactions": "reference:code amount:money date:date type:one(debit,credit) orderId:ref(orders)?",
    "companies": "name:company country:one(US,DE,GB,FR) currency:one(USD,EUR,GBP)",
    "items": "name:title sku:code price:money quantity:number(0,500)",
    "pay-runs": "number:serial(RUN-) date:date total:money status:one(draft,final)",
    "payslips": "number:serial(SLIP-) employeeId:ref(employees) payRunId:ref(pay-runs) net:money gross:money",
    # e-commerce, point of sale, payment, billing
    "orders": (
        "number:serial(ORD-) customerId:ref(customers)? total:money currency:one(USD,EUR,GBP) status:one(open,paid,shipped) date:date"
    ),
    "customer-groups": "name:title discount:number(0,40)",
    "categories": "name:title visible:flag",
    "shipments": "number:serial(SHP-) orderId:ref(orders)? carrier:one(DHL,UPS,FedEx) trackingNumber:code shippedDate:date?",
    "credit-memos": "number:serial(CM-) orderId:ref(orders) amount:money date:date",
    "coupons": "code:code percent:number(5,50) expiresDate:date active:flag",
    "stores": "name:company url:url currency:one(USD,EUR,GBP)",
    "variants": "name:title sku:code price:money quantity:number(0,500) productId:ref(products)",
    "collects": "productId:ref(products) categoryId:ref(categories) position:number(1,99)",
    "reports": "name:title createdFor:email? period:one(day,week,month)",
    "charges": "amount:money currency:one(USD,EUR,GBP) captured:flag customerId:ref(customers)",
    "refunds": "amount:money reason:one(duplicate,fraud,request) chargeId:ref(charges)",
    "subscriptions": "customerId:ref(customers) planId:ref(plans) status:one(trial,active,cancelled) startDate:date",
    "plans": "name:title amount:money interval:one(month,year)",
    "disputes": "amount:money chargeId:ref(charges) status:one(open,won,lost)",
    # people
    "departments": "name:title code:code",
    "positions": "title:title departmentId:ref(departments) open:flag",
    "candidates": "firstName:person lastName:person email:email stage:one(applied,interview,offer,hired)",
    "applications": "candidateId:ref(candidates)? positionId:ref(positions)? name:title date:date",
    "time-off": "employeeId:ref(employees) from:date days:number(1,20) approved:flag",
    "teams": "name:title size:number(2,30)",
    # talk
    "messages": "from:phone to:phone body:text status:one(queued,sent,delivered,failed) sentDate:date",
    "numbers": "phoneNumber:phone friendlyName:title sms:flag voice:flag",
    "country": "name:one(Austria,Brazil,Canada,Denmark) code:one(AT,BR,CA,DK)",
    "posts": "body:text profileId:ref(profiles) likes:number(0,5000) date:date",
    "profiles": "name:person network:one(twitter,facebook,linkedin) followers:number(0,100000)",
    "meetings": "subject:title startDate:date minutes:number(15,120) userId:ref(users)",
    "participants": "name:person email:email meetingId:ref(meetings)",
    "recordings": "name:title url:url seconds:number(60,7200) meetingId:ref(meetings)",
    # work
    "work-orders": "number:serial(WO-) subject:title status:one(open,dispatched,done) siteId:ref(sites) technicianId:ref(technicians)?",
    "technicians": "name:person phone:phone available:flag",
    "sites": "name:company city:one(Oslo,Porto,Quebec)",
    "assets": "name:title serialNumber:code siteId:ref(sites)",
    "appointments": "subject:title startDate:date minutes:number(15,240) clientId:ref(clients)?",
    "clients": "name:person email:email phone:phone?",
    "issues": "number:serial(#) title:title body:text state:one(open,closed) projectId:ref(projects)",
    "projects": "name:title archived:flag",
    "envelopes": "subject:title status:one(created,sent,completed) sentDate:date?",
    "recipients": "name:person email:email signed:flag envelopeId:ref(envelopes)",
    "expenses": "merchant:company amount:money currency:one(USD,EUR,GBP) date:date reportId:ref(reports)?",
    "receipts": "name:title url:url expenseId:ref(expenses)",
    "alerts": "name:title severity:one(info,warning,critical) state:one(ok,firing) hostId:ref(hosts)",
    "hosts": "name:code address:url up:flag",
    "quests": "name:title responses:number(0,900) open:flag",
    "responses": "questId:ref(quests) respondentId:ref(respondents) score:number(0,10)",
    "respondents": "name:person email:email",
    "rewards": "name:title points:number(100,9000) catalogId:ref(catalogs)",
    "attendees": "name:person email:email checkedIn:flag ticketId:ref(tickets)",
    "tickets": "name:title price:money sold:number(0,900) venueId:ref(venues)",
    "venues": "name:company city:one(Oslo,Porto,Quebec) capacity:number(50,9000)",
    "pages-read": "number:number(1,40) text:text scanId:ref(scans)",
    "scans": "name:title pages:number(1,40) language:one(en,de,fr)",
}


def _parse(line: str) -> tuple[Field, ...]:
    return tuple(_field(word) for word in line.split())


def _field(word: str) -> Field:
    match = _FIELD.fullmatch(word)
    if match is None:
        raise ValueError(f"{word}: expected name:kind, name:kind(details) or either with a question mark")
    return Field(match["name"], match["kind"], tuple(filter(None, (match["details"] or "").split(","))), bool(match["nullable"]))


FIELDS: Mapping[str, tuple[Field, ...]] = {resource: _parse(line) for resource, line in _LINES.items()}
_PLAIN_FIELDS = _parse(_PLAIN)


def fields_of(resource: str) -> tuple[Field, ...]:
    """The fields of a resource; one without a line of its own has a name, a description and a status."""
    return FIELDS.get(resource, _PLAIN_FIELDS)


def references(resource: str) -> dict[str, str]:
    """The resources that rows of this one point at, with the field that does it."""
    return {field.details[0]: field.name for field in fields_of(resource) if field.kind == "ref"}
