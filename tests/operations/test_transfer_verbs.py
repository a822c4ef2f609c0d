"""Mappings in bulk."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.database.engine import Database
from gateway.errors import BadRequest
from gateway.instances.store import Instances
from gateway.instances.vault import Vault
from gateway.models import NewInstance, parse
from gateway.operations import Format, Operations


def line(**more: Any) -> str:
    return json.dumps({"environment": "dev", "customer": "acme", "element": "hubspot", "token": "canary", **more})


async def refused(operations: Operations, text: str, form: Format = "ndjson") -> list[tuple[int, str]]:
    with pytest.raises(BadRequest) as caught:
        await operations.import_instances(text, form, actor="test")
    assert caught.value.extra["imported"] == 0
    assert "canary" not in f"{caught.value.detail} {caught.value.extra}"
    return [(error["line"], error["error"]) for error in caught.value.extra["errors"]]


async def customers(operations: Operations) -> list[str]:
    return [one.customer for one in (await operations.list_instances()).items]


async def test_lines_of_json_are_taken(operations: Operations, database: Database, vault: Vault) -> None:
    text = f"\ufeff{line(customer='a', tags=['x;y'])}\r\n\n{line(customer='b', token='canary-b', instance_id=7)}"
    report = await operations.import_instances(text, "ndjson", actor="test")
    instances = Instances(database, vault)

    assert report.model_dump() == {"imported": 2, "errors": []}
    assert await customers(operations) == ["a", "b"]
    (found,) = await instances.of_customer("dev", "b")
    assert (found.token.reveal(), found.instance_id) == ("canary-b", 7)
    assert await instances.handle_of("dev", "canary-b") == found.handle


async def test_rows_of_csv_are_taken(operations: Operations) -> None:
    text = (
        "environment,customer,element,token,tags,instance_id,name\r\n"
        'dev,"a, inc.",hubspot,canary,x;y,7,\r\n'
        '\r\ndev,b,hubspot,canary,"[""x;y""]",,"second"\r\n'
    )
    await operations.import_instances(text, "csv", actor="test")
    found = (await operations.list_instances()).items

    assert [(one.customer, one.tags, one.instance_id, one.name) for one in found] == [
        ("a, inc.", ["x", "y"], 7, None),
        ("b", ["x;y"], None, "second"),
    ]


async def test_one_wrong_line_and_nothing_is_imported(operations: Operations) -> None:
    errors = await refused(
        operations, "\n".join([line(customer="a"), "nonsense canary", "", line(customer="b", token="c d"), line(customer="c"), "[]"])
    )

    assert [number for number, _ in errors] == [2, 4, 6]
    assert errors[1][1].startswith("token: ")
    assert await customers(operations) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"environment": "staging"}, "not configured"),
        ({"customer": "a/b"}, "customer"),
        ({"unknown": 1}, "unknown"),
        ({"handle": "x"}, "handle"),
        ({"token": None}, "token"),
        ({"token": "\ud800canary"}, "token"),
        ({"tags": {}}, "tags"),
        ({"instance_id": 10**30}, "instance_id"),
    ],
)
async def test_every_mistake_is_told_with_its_line(operations: Operations, wrong: dict[str, Any], said: str) -> None:
    ((number, error),) = await refused(operations, f"{line(customer='other')}\n{line(**wrong)}")

    assert number == 2
    assert said in error


async def test_several_mistakes_of_a_line_are_all_told(operations: Operations) -> None:
    assert [number for number, _ in await refused(operations, line(customer="", element="", token=""))] == [1, 1, 1]


async def test_a_line_must_not_repeat_what_is_there_or_what_another_line_says(operations: Operations) -> None:
    await operations.add_instance(parse(NewInstance, json.loads(line())), actor="test")
    errors = await refused(operations, "\n".join([line(customer="a"), line(), line(customer="a"), line(customer="a", name="second")]))

    assert [number for number, _ in errors] == [2, 3]
    assert "already" in errors[0][1]
    assert "line 1" in errors[1][1]
    assert await customers(operations) == ["acme"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("dev,acme,hubspot,canary\n", 1),  # no header line
        ("environment,customer,element,token,token\ndev,a,b,canary,canary\n", 1),
        ("environment,customer,element,token\ndev,acme,hubspot\n", 2),
        ("environment,customer,element,token\ndev,acme,hubspot,canary,canary\n", 2),
        ('environment,customer,element,token,tags\ndev,acme,hubspot,canary,"[canary"\n', 2),
        ('environment,customer,element,token\ndev,"a\nb",hubspot,c d\ndev,a,hubspot,"canary', 2),
        ("environment,customer,element\ndev,acme,hubspot\n", 2),
    ],
)
async def test_csv_that_is_none_is_told_with_its_line(operations: Operations, text: str, number: int) -> None:
    assert (await refused(operations, text, "csv"))[0][0] == number
    assert await customers(operations) == []


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_nothing_is_nothing(operations: Operations, form: Format) -> None:
    assert (await operations.import_instances("", form, actor="test")).imported == 0


async def test_a_thousand_lines_tell_how_far_they_are(operations: Operations) -> None:
    told: list[tuple[int, int]] = []
    text = "\n".join(line(customer=f"c{number}") for number in range(1001))
    await operations.import_instances(text, "ndjson", actor="test", progress=lambda done, total: told.append((done, total)))

    assert told == [(500, 1001), (1000, 1001), (1001, 1001)]
    assert await operations.count_instances() == 1001
    assert len([exported async for exported in operations.export_instances("ndjson")]) == 1001


async def test_an_import_leaves_one_line_and_no_secret(operations: Operations) -> None:
    with capture_logs() as logs:
        await operations.import_instances(line(), "ndjson", actor="key1")

    assert [(one["actor"], one["verb"], one["imported"]) for one in logs] == [("key1", "instance.import", 1)]
    assert "canary" not in str(logs)


async def test_exports_hold_everything_but_secrets(operations: Operations) -> None:
    odd = {"customer": 'a,"b"\'é', "tags": ["x;y", "[z"], "group": "=1+1", "event_signature_key": "canary"}
    await operations.import_instances("\n".join([line(**odd), line(customer="b")]), "ndjson", actor="test")
    ndjson = "".join([one async for one in operations.export_instances("ndjson")])
    table = "".join([one async for one in operations.export_instances("csv")])

    objects = [json.loads(one) for one in ndjson.splitlines()]
    assert objects == [one.model_dump(mode="json", exclude={"state"}) for one in (await operations.list_instances()).items]
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [list(row) for row in rows] == [list(one) for one in objects]
    assert [(row["customer"], json.loads(row["tags"]), row["group"], row["disabled"]) for row in rows] == [
        (one["customer"], one["tags"], one["group"] or "", "false") for one in objects
    ]
    assert "canary" not in ndjson + table


async def test_an_export_with_tokens_put_in_can_be_imported_after_its_own_columns_are_cut(operations: Operations) -> None:
    await operations.import_instances(line(tags=["x;y"], hub="crm", instance_id=7, name="n", group="g"), "ndjson", actor="test")
    (before,) = (await operations.list_instances()).items
    table = list(csv.DictReader(io.StringIO("".join([one async for one in operations.export_instances("csv")]))))
    await operations.delete_instance(before.handle, actor="test")
    cut = [{name: cell for name, cell in row.items() if name in NewInstance.model_fields} | {"token": "canary"} for row in table]
    text = io.StringIO()
    writer = csv.DictWriter(text, cut[0])
    writer.writeheader()
    writer.writerows(cut)
    await operations.import_instances(text.getvalue(), "csv", actor="test")

    (after,) = (await operations.list_instances()).items
    assert after == before.model_copy(update={"handle": after.handle})
