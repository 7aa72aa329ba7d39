"""A report as one HTML page that needs no other file."""

from base64 import b64encode
from html import escape

from ecgtune.evaluation.result_tables import markdown, provenance
from ecgtune.evaluation.results import Result
from ecgtune.explain.page import page_of


def render_page(result: Result, picture: bytes) -> str:
    """Make the page: the verdict first, then figures, tables and notes.

    Parameters
    ----------
    result
        Of `ecgtune.explain.report_result.result_of`.
    picture
        Its figures, PNG.

    Returns
    -------
    str
        HTML, well-formed as XML too; no network, no script.
    """
    verdict, *notes = result.notes
    tables = "".join(_table(markdown(result, name, source=False)) for name in result.tables)
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    image = b64encode(picture).decode()
    body = [
        f'<header><div class="alert"><strong>{escape(verdict)}</strong></div>'
        f"<h1>{escape(result.title)}</h1></header>",
        f"<section><h2>Why, and how it was measured</h2><ul>{listed}</ul></section>",
        f'<section><h2>Figures</h2><img alt="{escape(result.title)}" src="data:image/png;base64,{image}"/>'
        "</section>",
        f"<section><h2>Tables</h2>{tables}</section>",
    ]
    return page_of(result.title, body, provenance(result).replace("`", ""))


def _table(text: str) -> str:
    """Turn a table of `ecgtune.evaluation.result_tables.markdown` into HTML."""
    title, *lines = [line for line in text.splitlines() if line]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    head, _, *body = cells
    columns = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in body)
    return (
        f'<h3>{escape(title.strip("*"))}</h3><div class="scroll"><table><thead><tr>{columns}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
