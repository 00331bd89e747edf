"""Draws build/bench.svg from build/bench.json; needs the environment that has pygal.

Shows processor seconds per 100,000 mails by process, for each size and latency.
"""

import json
from pathlib import Path

import pygal
from pygal.style import Style

BUILD = Path(__file__).parent.parent / "build"
PARTS = {
    "deliver": "cpu_workers",
    "database": "cpu_database",
    "dispatch": "cpu_dispatch",
}
READABLE = 0.5  # a shorter part of a bar has no room for its figure


def main() -> None:
    """Draw the deliveries in the results, if there are any."""
    runs = json.loads((BUILD / "bench.json").read_text())["delivery"]
    if not runs:
        return
    chart = pygal.StackedBar(
        title="Processor seconds for 100,000 mails, and how fast they leave",
        y_title="processor seconds",
        style=Style(background="white", plot_background="white"),
        js=[],
        print_values=True,
        value_formatter=lambda value: f"{value:.1f}" if value >= READABLE else "",
        width=1200,
        height=500,
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        truncate_label=-1,
    )
    chart.x_labels = [
        f"{run['mails']:,} at {run['latency'] * 1000:.0f} ms: {run['mails_per_second']:,.0f}/s"
        for run in runs
    ]
    for name, field in PARTS.items():
        chart.add(name, [run[field] for run in runs])
    chart.render_to_file(str(BUILD / "bench.svg"))


if __name__ == "__main__":
    main()
