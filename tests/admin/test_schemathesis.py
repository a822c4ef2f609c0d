"""schemathesis reads ``/openapi.json`` and tries what a living gateway makes of it, and of everything that it does not allow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.admin.conftest import Api
from tests.support.processes import ROOT

CHECKS = """not_a_server_error status_code_conformance content_type_conformance response_headers_conformance
response_schema_conformance negative_data_rejection missing_required_header unsupported_method allow_header_conformance use_after_free
ensure_resource_availability""".split()
EXAMPLES = 10
"""For each operation; the same at each run."""


def test_the_gateway_does_what_its_document_says(api: Api, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", "http://{}:{}/openapi.json".format(*api.gateway.admin)]
    command += ["--header", f"Authorization: Bearer {api.keys['admin']}", "--checks", ",".join(CHECKS)]
    command += ["--generation-deterministic", "--max-examples", str(EXAMPLES), "--no-shrink", "--no-color", "--warnings", "off"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": "tests.admin.schemathesis_hooks"}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=110, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    cases = re.search(r"(\d+) generated, (\d+) passed$", done.stdout, re.MULTILINE)
    assert cases, done.stdout
    assert int(cases[1]) == int(cases[2]) > 500
    assert "request failed" not in api.gateway.text
