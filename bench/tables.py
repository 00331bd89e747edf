"""Formats tables that suit a terminal and Markdown."""

from collections.abc import Sequence

NOT_MEASURED = "\N{EN DASH}"


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return an aligned Markdown table: the first column to the left, numbers to the right."""
    cells = [list(headings), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(headings))]
    rule = [
        "-" * width if place == 0 else "-" * (width - 1) + ":" for place, width in enumerate(widths)
    ]
    lines = [cells[0], rule, *cells[1:]]
    return "\n".join(f"| {' | '.join(_aligned(line, widths))} |" for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if place == 0 else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]


def _text(cell: object) -> str:
    """Return a cell's text; a float gets three significant digits."""
    if not isinstance(cell, float):
        return f"{cell:,}" if isinstance(cell, int) else str(cell)
    if abs(cell) >= 100:  # noqa: PLR2004 - three digits before the point
        return f"{cell:,.0f}"
    return f"{cell:.3g}"
