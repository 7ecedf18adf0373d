"""The Grafana dashboards: ``python -m monitoring.dashboards`` writes each as JSON into ``monitoring/dashboards``.

What they show stands in ``monitoring/panels.py``.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    DataSourceRef,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
)
from grafana_foundation_sdk.models.dashboard import Threshold, ThresholdsMode

from monitoring.panels import DASHBOARDS, Panel

FOLDER: Final = Path(__file__).parent / "dashboards"
#: The data source that docker-compose.yml provisions (monitoring/grafana).
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="prometheus")
_HEIGHT: Final = 7


def build(name: str) -> str:
    """Return the dashboard's JSON, as it is committed."""
    title, panels = DASHBOARDS[name]
    built = (
        dashboard.Dashboard(title)
        .uid(f"stock-pipeline-{name.replace('_', '-')}")
        .tags(["stocks"])
        .editable()
        .time("now-6h", "now")
        .refresh("30s")
        .timezone("browser")
    )
    for panel in panels:
        built = built.with_panel(_stat(panel) if panel.now else _lines(panel))
    return json.dumps(built.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _stat(panel: Panel) -> stat.Panel:
    steps = [Threshold(value=None, color="green")]
    if panel.bad is not None:
        steps.append(Threshold(value=panel.bad, color="red"))
    return (
        stat.Panel()
        .title(panel.title)
        .datasource(SOURCE)
        .unit(panel.unit)
        .height(_HEIGHT)
        .span(panel.span)
        .color_mode(BigValueColorMode.VALUE)
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .targets(list(_targets(panel)))
    )


def _lines(panel: Panel) -> timeseries.Panel:
    legend = options.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    lines = (
        timeseries.Panel()
        .title(panel.title)
        .datasource(SOURCE)
        .unit(panel.unit)
        .min(0)
        .height(_HEIGHT)
        .span(panel.span)
        .legend(legend.show_legend(True))
        .targets(list(_targets(panel)))
    )
    return (
        lines.fill_opacity(30).stacking(options.StackingConfig().mode(StackingMode.NORMAL)) if panel.stacked else lines
    )


def _targets(panel: Panel) -> Iterator[prometheus.Dataquery]:
    for number, (legend, expression) in enumerate(panel.queries.items()):
        query = prometheus.Dataquery().ref_id(chr(ord("A") + number)).datasource(SOURCE).expr(expression)
        yield query.legend_format(legend)


def main() -> None:
    """Write every dashboard."""
    FOLDER.mkdir(exist_ok=True)
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(build(name), encoding="utf-8")


if __name__ == "__main__":
    main()
