"""What a flame graph is drawn of: the real gateway, open to a profiler, answering each of the works as they say."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench import flame


def test_each_work_is_answered_by_a_gateway_that_may_be_looked_into(tmp_path: Path):
    with flame.playing(tmp_path) as (gateway, key):
        for work in flame.WORKS.values():
            connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=10)
            connection.request(work.method, f"{work.target}1", work.body or None, {"Authorization": f"Bearer {key}", **dict(work.fields)})
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, work.expected), work.name
            connection.close()


def test_a_work_that_there_is_not_is_said(capsys):
    with pytest.raises(SystemExit) as wrong:
        flame.main(["breakfast"])
    assert wrong.value.code == 2
    assert "invalid choice: 'breakfast'" in capsys.readouterr().err
