"""The guide that the extension brings along: pages of docs/ as one HTML page, read without a network."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .processes import ROOT, BuildError

#: Pages of docs/ in the guide, in their order.
PAGES = (
    "blender.md",
    "dials.md",
    "targets/README.md",
    "targets/shape-keys.md",
    "targets/any-shape-keys.md",
    "targets/bones.md",
    "targets/grease-pencil.md",
    "targets/mouth-charts.md",
    "targets/pictures.md",
    "targets/layers.md",
    "portraits/README.md",
    "portraits/responsible-use.md",
    "visemes.md",
)
_STYLE = """
body { font: 16px/1.5 sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #222 } a { color: #8bf } }
table { border-collapse: collapse } td, th { border: 1px solid #8888; padding: .3em .6em; vertical-align: top }
pre { overflow-x: auto; padding: .6em; background: #8882 } code { background: #8882 } h1 { margin-top: 2em }
"""
_FENCE = re.compile(r"^```")
_HEAD = re.compile(r"^(#{1,6}) (.*)$")
_ITEM = re.compile(r"^(\s*)(?:[*-]|\d+\.) (.*)$")
_ROW = re.compile(r"^\|.*\|\s*$")
_RULE = re.compile(r"^\|[\s:|-]+\|\s*$")
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]*)\)")


def page(version: str) -> str:
    """Return the guide as one HTML page."""
    texts = [(name, (ROOT / "docs" / name).read_text(encoding="utf-8")) for name in PAGES]
    body = "\n".join(f'<section id="{_anchor(name)}">\n{markup(text, name)}\n</section>' for name, text in texts)
    title = f"Mouthpiece {html.escape(version)}"
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f"<!DOCTYPE html>\n<html lang=en><head>{head}</head><body>\n<h1>{title}</h1>\n{body}\n</body></html>\n"


def markup(text: str, name: str) -> str:
    """Return the Markdown of a page of docs/ as HTML; links to pages of the guide stay, pictures and others go."""
    return "\n".join(_blocks(text.splitlines(), name))


def _blocks(lines: Sequence[str], name: str) -> Iterator[str]:
    """Yield the blocks of a page: headings, code, tables, lists and paragraphs."""
    at = 0
    while at < len(lines):
        line, heading = lines[at], _HEAD.match(lines[at])
        if _FENCE.match(line):
            end = _end(lines, at, lambda other: not _FENCE.match(other))
            if end == len(lines):
                raise BuildError(f"docs/{name}: the code that begins in line {at + 1} has no end.")
            yield f"<pre>{html.escape(chr(10).join(lines[at + 1 : end]))}</pre>"
            end += 1
        elif heading:
            level, end = len(heading[1]), at + 1
            yield f'<h{level} id="{_anchor(name, heading[2])}">{_inline(heading[2], name)}</h{level}>'
        elif _ROW.match(line):
            end = _end(lines, at, _ROW.match)
            yield _table(lines[at:end], name)
        elif _ITEM.match(line):
            end = _end(lines, at, lambda other: _ITEM.match(other) or other.startswith("  "))
            yield _list(lines[at:end], name)
        else:
            end = _end(lines, at, lambda other: other.strip() and not _begins(other))
            text = " ".join(lines[at:end]).strip()
            yield f"<p>{_inline(text, name)}</p>" if text else ""
        at = end


def _end(lines: Sequence[str], at: int, goes_on: Callable[[str], object]) -> int:
    """Return the number of the line after the block that begins at ``at``."""
    return next((number for number in range(at + 1, len(lines)) if not goes_on(lines[number])), len(lines))


def _begins(line: str) -> bool:
    """Return whether a line begins a block of its own."""
    return any(pattern.match(line) for pattern in (_FENCE, _HEAD, _ROW, _ITEM))


def _table(rows: Sequence[str], name: str) -> str:
    """Return a table; its first row is the head if a rule follows it."""
    made = []
    for number, row in enumerate(rows):
        if _RULE.match(row):
            continue
        kind = "th" if number == 0 and len(rows) > 1 and _RULE.match(rows[1]) else "td"
        cells = re.split(r"(?<!\\)\|", row.strip().strip("|"))
        made.append("<tr>" + "".join(f"<{kind}>{_inline(cell.strip(), name)}</{kind}>" for cell in cells) + "</tr>")
    return f"<table>{''.join(made)}</table>"


def _list(lines: Sequence[str], name: str) -> str:
    """Return a list; items that are indented are items of the same list."""
    items: list[str] = []
    for line in lines:
        item = _ITEM.match(line)
        if item:
            items.append(item[2])
        else:
            items[-1] += f" {line.strip()}"
    kind = "ol" if re.match(r"^\d", lines[0]) else "ul"
    return f"<{kind}>" + "".join(f"<li>{_inline(item, name)}</li>" for item in items) + f"</{kind}>"


def _inline(text: str, name: str) -> str:
    """Return a line of text with its code, emphasis and links."""
    codes: list[str] = []

    def set_aside(found: re.Match[str]) -> str:
        codes.append(f"<code>{html.escape(found[1], quote=False)}</code>")
        return f"\0{len(codes) - 1}\0"

    plain = html.escape(re.sub(r"`([^`]+)`", set_aside, text.replace("\\|", "|")), quote=False)
    plain = _LINK.sub(lambda found: _link(found[1], found[2], found[3], name), plain)
    plain = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", plain)
    plain = re.sub(r"(?<![\w*])\*([^*\s][^*]*)\*", r"<i>\1</i>", plain)
    return re.sub(r"\0(\d+)\0", lambda found: codes[int(found[1])], plain)


def _link(picture: str, text: str, target: str, name: str) -> str:
    """Return a link if it leads to a page of the guide, else its text; nothing of a picture."""
    if picture:
        return ""
    path, _, part = target.partition("#")
    wanted = (Path("/docs") / name).parent / path if path else Path("/docs") / name
    place = re.sub(r"[^/]+/\.\./", "", str(wanted)).removeprefix("/docs/")
    if place not in PAGES:
        return text
    return f'<a href="#{_anchor(place, part) if part else _anchor(place)}">{text}</a>'


def _anchor(name: str, heading: str = "") -> str:
    """Return the name of a place in the guide: of a page, or of a heading in it."""
    slug = re.sub(r"[^\w\s-]", "", heading.lower()).strip().replace(" ", "-")
    page = re.sub(r"\W+", "-", name.removesuffix(".md").lower())
    return f"{page}--{slug}" if slug else page
