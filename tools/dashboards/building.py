"""The house style of our dashboards: what a panel, its queries and a whole dashboard look like, over Grafana's own builders.

Every query goes to the data source that the reader chose (``$datasource``); no uid of an installation stands anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as commons
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel = Builder[model.Panel]
Query = tuple[str, str]
"""(PromQL, legend)."""

SELECTED = 'environment=~"$environment", element=~"$element"'
RATE = "$__rate_interval"
TAG = "gateway"
_SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
_ALL = model.VariableOption(selected=True, text="All", value="$__all")


def rate(metric: str, by: str = "", more: str = "", selected: str = SELECTED) -> str:
    """The rate of a counter, summed: ``rate("gateway_requests_total", "environment", 'status=~"5.."')``."""
    matchers = ", ".join(filter(None, (selected, more)))
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({metric}{{{matchers}}}[{RATE}]))"


def quantile(share: float, metric: str, by: str = "", more: str = "") -> str:
    """A quantile of a histogram's last minutes, in its unit."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', ', '.join(filter(None, ('le', by))), more)})"


def percentiles(metric: str, more: str = "") -> list[Query]:
    """p50, p95 and p99."""
    return [(quantile(share, metric, more=more), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)]


def graph(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    stacked: bool = False,
    most: float | None = None,
    traced: bool = False,
) -> Panel:
    """Lines over time from zero upwards. ``traced``: with the exemplars of the histograms, each pointing to a trace."""
    panel = timeseries.Panel().title(title).description(about).datasource(_SOURCE).unit(unit).min(0).span(width).height(8)
    panel.legend(common.VizLegendOptions().show_legend(True).display_mode(commons.LegendDisplayMode.TABLE).calcs(["mean", "max"]))
    panel.tooltip(common.VizTooltipOptions().mode(commons.TooltipDisplayMode.MULTI).sort(commons.SortOrder.DESCENDING))
    panel.fill_opacity(40 if stacked else 8).show_points(commons.VisibilityMode.NEVER)
    if stacked:
        panel.stacking(common.StackingConfig().mode(commons.StackingMode.NORMAL))
    if most is not None:
        panel.max(most)
    for target in _targets(queries):
        panel.with_target(target.exemplar(True) if traced else target)
    return panel


def figure(title: str, about: str, unit: str, query: str, *, width: int = 4, steps: Sequence[tuple[float | None, str]] = ()) -> Panel:
    """The latest value, large. ``steps``: from which value on it has which colour; the first begins at None."""
    panel = stat.Panel().title(title).description(about).datasource(_SOURCE).unit(unit).span(width).height(4)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    colours = [model.Threshold(value, color) for value, color in steps or [(None, "blue")]]
    panel.thresholds(dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(colours))
    # Without calls a ratio or a quantile is NaN, which is not >= 0: then there is no value, and the panel says so.
    return panel.no_value("–").with_target(*_targets([(f"({query}) >= 0", title)]))


def states(title: str, about: str, query: Query, meanings: Sequence[tuple[str, str]], *, width: int = 12) -> Panel:
    """A band over time for each series; ``meanings`` are (text, colour) of the values 0, 1, …"""
    results = {str(value): model.ValueMappingResult(text, color) for value, (text, color) in enumerate(meanings)}
    panel = statetimeline.Panel().title(title).description(about).datasource(_SOURCE).span(width).height(8)
    panel.show_value(commons.VisibilityMode.AUTO).row_height(0.9).fill_opacity(80)
    panel.legend(common.VizLegendOptions().show_legend(False).display_mode(commons.LegendDisplayMode.LIST))
    return panel.mappings([model.ValueMap(options=results)]).with_target(*_targets([query]))


def rows(title: str, about: str, columns: Sequence[tuple[str, str, str]], *, keys: Sequence[str], width: int = 24) -> Panel:
    """A table of latest values. ``columns``: (name, unit, PromQL), each grouped by ``keys``, which are the first columns."""
    panel = table.Panel().title(title).description(about).datasource(_SOURCE).span(width).height(9)
    names: dict[str, object] = {}
    for target, (name, unit, _) in zip(_targets([(query, "") for *_, query in columns]), columns, strict=True):
        panel.with_target(target.instant().format(PromQueryFormat.TABLE))
        value = f"Value #{target.build().ref_id}" if len(columns) > 1 else "Value"
        names[value] = name
        panel.override_by_name(name, [model.DynamicConfigValue("unit", unit)])
    order = {key: place for place, key in enumerate((*keys, *names))}
    panel.with_transformation(model.DataTransformerConfig("merge", options={}))
    shown = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}
    panel.with_transformation(model.DataTransformerConfig("organize", options=shown))
    return panel.sort_by([common.TableSortByFieldState().display_name(columns[0][0]).desc(True)])


def board(uid: str, title: str, about: str, *parts: tuple[str, Sequence[Panel]], one_element: bool = False) -> model.Dashboard:
    """A dashboard of titled rows of panels, with its variables, and links to its siblings. ``one_element``: exactly one is chosen."""
    made = dashboard.Dashboard(title).uid(uid).description(about).tags([TAG]).readonly().refresh("30s").time("now-1h", "now")
    made.tooltip(model.DashboardCursorSync.CROSSHAIR).version(1)
    made.with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    made.with_variable(_variable("environment", "gateway_requests_total"))
    made.with_variable(_variable("element", 'gateway_requests_total{environment=~"$environment"}', several=not one_element))
    siblings = dashboard.DashboardLink("Gateway").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    made.link(siblings.include_vars(True).keep_time(True))
    for name, panels in parts:
        made.with_row(dashboard.Row(name))
        for panel in panels:
            made.with_panel(panel)
    built = made.build()
    for panel_id, placed in zip(count(1), built.panels or [], strict=False):
        placed.id_val = panel_id
    return built


def _targets(queries: Sequence[Query]) -> list[prometheus.Dataquery]:
    return [
        prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + place)).datasource(_SOURCE)
        for place, (expression, legend) in enumerate(queries)
    ]


def _variable(name: str, series: str, *, several: bool = True) -> dashboard.QueryVariable:
    query: dict[str, object] = {"query": f"label_values({series}, {name})", "refId": "PrometheusVariableQueryEditor-VariableQuery"}
    variable = dashboard.QueryVariable(name).label(name.capitalize()).datasource(_SOURCE).query(query)
    variable.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
    if several:
        variable.multi(True).include_all(True).all_value(".*").current(_ALL)
    return variable
