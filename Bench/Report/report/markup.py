"""Pieces of HTML. Whatever comes from a file goes through `escaped`."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from report.display import Look
from report.headlines import Headline

Groups = Sequence[tuple[str, Sequence[Sequence[str]]]]
"""Rows of cells, each cell HTML, under a title that is text."""


def escaped(text: object) -> str:
    return html.escape(str(text))


def headlines(known: Sequence[Headline]) -> str:
    items = (f"<dt>{escaped(one.subject)}</dt><dd>{seen(one.text)}</dd>" for one in known)
    return f"<dl class=headlines>{''.join(items)}</dl>" if known else ""


def seen(text: str) -> str:
    """What is between asterisks in bold; a number stays on the line of its unit."""
    joined = re.sub(r"(?<=\d) (?=[nµm]?s\b|%)", "\u00a0", escaped(text))
    return re.sub(r"\*(.+?)\*", r"<b>\1</b>", joined)


def panel(title: str, drawing: str, note: str = "", keys: Sequence[str] = ()) -> str:
    """A drawing under its title; keys are HTML, the rest of the caption text."""
    caption = f"<b>{escaped(title)}</b> <span class=note>{escaped(note)}</span>"
    if keys:
        caption += f" <span class=keys>{' '.join(keys)}</span>"
    return f"<figure><figcaption>{caption}</figcaption>{drawing}</figure>"


def key(look: Look, note: str = "") -> str:
    """A target's name in its colour."""
    note = f"<small>{escaped(note)}</small>" if note else ""
    return f'<span style="color:var(--c{look.light[1:]})">{escaped(look.label)}{note}</span>'


def panels(figures: Sequence[str], kind: str) -> str:
    """Small multiples; how wide each is and how they flow is up to the style sheet."""
    return f'<div class="panels {kind}">{"".join(figures)}</div>' if figures else ""


def section(title: str, how_to_read: str, body: str) -> str:
    """ "" when there is nothing to show."""
    if not body:
        return ""
    how = f"<p class=how>{escaped(how_to_read)}</p>" if how_to_read else ""
    return f'<section id="{anchor(title)}"><h2>{escaped(title)}</h2>{how}{body}</section>'


def anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def table(columns: Sequence[tuple[str, str]], groups: Groups, kind: str = "") -> str:
    """A column is its title and its class, "text" or "number"."""
    head = "".join(f"<th class={style}>{escaped(title)}</th>" for title, style in columns)
    body = ""
    for title, rows in groups:
        if title:
            body += f"<tr class=group><th colspan={len(columns)}>{escaped(title)}</th></tr>"
        for row in rows:
            cells = zip(row, columns, strict=True)
            body += "<tr>" + "".join(f"<td class={style}>{cell}</td>" for cell, (_, style) in cells)
            body += "</tr>"
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
