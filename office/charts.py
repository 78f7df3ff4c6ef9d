"""Charts for the theme's own Chart.js, each with the same figures as a table for who cannot see it.

The colour of their words comes from office.js: it differs between light and dark pages.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

# Legible on the light and on the dark page.
COLOURS: Final = ["#3b82f6", "#f59e0b", "#ef4444", "#8b5cf6", "#14b8a6"]
LINE: Final = "#10b981"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """`axis` is "y" (left) or "y1" (right); values may have gaps (None)."""

    label: Any
    values: Sequence[float | None]
    colour: str = COLOURS[0]
    line: bool = False
    axis: str = "y"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart: `left` and `right` name the axes with their units, `labels` the points along `bottom`."""

    title: Any
    bottom: Any
    left: Any
    labels: Sequence[str]
    series: Sequence[Series]
    right: Any = None
    stacked: bool = False
    empty: bool = field(default=False)

    @property
    def kind(self) -> str:
        return "line" if all(one.line for one in self.series) else "bar"

    @property
    def data(self) -> str:
        return json.dumps({"labels": list(self.labels), "datasets": [self._dataset(one) for one in self.series]})

    def _dataset(self, one: Series) -> dict[str, Any]:
        return {
            "label": str(one.label),
            "data": list(one.values),
            "type": "line" if one.line else "bar",
            "backgroundColor": one.colour,
            "borderColor": one.colour,
            "borderWidth": 2 if one.line else 0,
            "pointRadius": 1 if one.line else 0,
            "spanGaps": True,
            "maxBarThickness": 18,
            "yAxisID": one.axis,
            "order": 0 if one.line else 1,
        }

    @property
    def options(self) -> str:
        scales = {"x": _scale(self.bottom, stacked=self.stacked), "y": _scale(self.left, stacked=self.stacked)}
        scales["y"]["beginAtZero"] = True
        if self.right is not None:
            scales["y1"] = {**_scale(self.right, stacked=False), "position": "right"}
            scales["y1"]["grid"] = {"drawOnChartArea": False}
        legend = {"display": len(self.series) > 1, "labels": {"boxWidth": 10, "boxHeight": 10}}
        return json.dumps(
            {
                "animation": False,
                "responsive": True,
                "maintainAspectRatio": False,
                "interaction": {"mode": "index", "intersect": False},
                "plugins": {"legend": legend},
                "scales": scales,
            }
        )

    @property
    def headers(self) -> list[Any]:
        return [self.bottom, *(one.label for one in self.series)]

    @property
    def rows(self) -> list[list[Any]]:
        """Newest first."""
        columns = [self.labels, *(one.values for one in self.series)]
        return [["–" if cell is None else cell for cell in row] for row in zip(*columns, strict=True)][::-1]


def _scale(title: Any, *, stacked: bool) -> dict[str, Any]:
    return {
        "stacked": stacked,
        "title": {"display": True, "text": str(title)},
        "ticks": {"maxRotation": 0, "autoSkipPadding": 12, "format": {"useGrouping": False}},
        "grid": {"display": True},
    }
