"""The page around a report.

Its styles, light and dark, and the pieces that sections are made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files


def format_page(title: str, sections: Sequence[str]) -> str:
    """Return a whole HTML document.

    It fetches nothing and runs nothing, and its policy says so.
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_styles()}</style>\n</head>\n<body>\n"
        f"<main>\n<h1>{escape(title)}</h1>\n" + "\n".join(sections) + "\n</main>\n</body>\n</html>\n"
    )


def format_section(title: str, body: str, *, level: int = 2) -> str:
    """Return a section with its heading."""
    return f"<section>\n<h{level}>{escape(title)}</h{level}>\n{body}\n</section>"


def format_table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int = 1) -> str:
    """Return a table that scrolls by itself on a narrow screen.

    Columns from `numbers_from` on are right-aligned, except one with an empty head: that one is words.
    """
    head = "".join(
        f'<th scope="col"{_right(text, column, numbers_from)}>{escape(text)}</th>' for column, text in enumerate(heads)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(cell)}</th>'
            if column == 0
            else f"<td{_right(heads[column], column, numbers_from)}>{escape(cell)}</td>"
            for column, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scrolls" role="region" tabindex="0" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def format_facts(facts: Sequence[tuple[str, str]]) -> str:
    """Return names and what they are, without those that are empty."""
    listed = "\n".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts if text)
    return f"<dl>\n{listed}\n</dl>"


def format_chart(caption: str, summary: str, svg: str, figures: str = "") -> str:
    """Return a picture with what it says in words.

    `figures` is a table of the same for people who can't see it.
    """
    details = f"<details><summary>The figures</summary>{figures}</details>" if figures else ""
    return f"<figure>\n<figcaption><b>{escape(caption)}</b> {escape(summary)}</figcaption>\n{svg}\n{details}</figure>"


def format_words(text: str, kind: str = "") -> str:
    """Return a paragraph.

    `kind` is `good`, `bad` or nothing. It says by words what its colour says.
    """
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def _right(head: str, column: int, numbers_from: int) -> str:
    return ' class="number"' if head and column >= numbers_from else ""


def _styles() -> str:
    return files("chain.report").joinpath("page.css").read_text(encoding="utf-8")
