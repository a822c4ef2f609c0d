"""Assertions in the helpers of these tests say what they found, as those in tests do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.container.contents", "tests.container.docker_lines", "tests.container.engine")
