"""Rows of figures as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .score import Metrics


def table(rows: Mapping[str, Metrics], first: str, columns: Sequence[str]) -> str:
    """Return ``rows`` as a table with a line for each; ``first`` heads the column of their names."""
    lines = [f"| {first} | " + " | ".join(columns) + " |", "|" + "---|" * (len(columns) + 1)]
    for name, row in rows.items():
        cells = [f"{row[c]:.2f}" if isinstance(row.get(c), float) else "-" for c in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
