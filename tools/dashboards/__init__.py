"""The dashboards of ``grafana/dashboards``, each a function of a file here."""

from __future__ import annotations

import json
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tools.dashboards.cache import cache
from tools.dashboards.element import element
from tools.dashboards.health import health
from tools.dashboards.overview import overview

FOLDER = Path(__file__).resolve().parents[2] / "grafana" / "dashboards"


def texts() -> dict[str, str]:
    """The JSON of each dashboard by file name."""
    return {f"{make.__name__}.json": json.dumps(make(), cls=JSONEncoder, indent=2) + "\n" for make in (overview, element, cache, health)}
