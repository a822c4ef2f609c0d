"""A plot of the results as SVG, written by hand: a group of bars for each work, ours first, all to one scale within the group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _NAME, _BAR, _ROW, _GAP = 820, 150, 480, 22, 34
_OURS, _THEIRS = "#1f6feb", "#9aa4af"
_STYLE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#1f2328}.h{font-weight:600}.v{fill:#57606a}.b{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.v{fill:#9da7b1}.b{fill:#0d1117}}</style>"
)


@dataclass(frozen=True, slots=True)
class Group:
    """``values`` are (name, value, what is said beside the bar); the first is ours."""

    title: str
    values: Sequence[tuple[str, float, str]]


def svg(groups: Sequence[Group], title: str) -> str:
    """The picture; nothing in it is loaded from anywhere."""
    shapes: list[str] = []
    y = _GAP
    for group in groups:
        shapes.append(f'<text class="h" x="12" y="{y}">{escape(group.title)}</text>')
        y += 10
        most = max((value for _, value, _ in group.values), default=1.0)
        for number, (name, value, said) in enumerate(group.values):
            shapes += _bar(y, name, value / most, said, _THEIRS if number else _OURS)
            y += _ROW
        y += _GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" role="img" aria-label="{escape(title)}">'
    background = f'<rect class="b" width="{_WIDTH}" height="{y}"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", _STYLE, background, *shapes, "</svg>"]) + "\n"


def _bar(y: int, name: str, part: float, said: str, colour: str) -> list[str]:
    width = max(1.0, part * _BAR)
    return [
        f'<text x="{_NAME - 8}" y="{y + 15}" text-anchor="end">{escape(name)}</text>',
        f'<rect x="{_NAME}" y="{y + 3}" width="{width:.1f}" height="{_ROW - 6}" fill="{colour}"/>',
        f'<text class="v" x="{_NAME + width + 6:.1f}" y="{y + 15}">{escape(said)}</text>',
    ]
