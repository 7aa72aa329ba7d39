"""One page of explained beats: a table of them, their pictures, and what a picture does not say."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from ecgtune._version import __version__
from ecgtune.explain.draw import method_text
from ecgtune.explain.explained import Explained
from ecgtune.explain.regions import ELSEWHERE, REGIONS
from ecgtune.labelled import DISCLAIMER
from ecgtune.report.style import COLOURS, STYLE
from ecgtune.report.svg import clock

SAYS = {
    "integrated-gradients": (
        "Each sample's contribution to the class's logit on the way from the baseline to the beat. All "
        "contributions together, those of the RR features too, are the difference of the two logits."
    ),
    "grad-cam": (
        "In which parts of the window the last convolution's maps speak for the class: coarse, never "
        "negative, alike for all leads, and silent on the rhythm."
    ),
    "occlusion": (
        "What the class's logit loses when 60 ms of one lead, or one RR feature, are replaced by the "
        "baseline; the loss is shared out among the samples."
    ),
}
"""What each method says."""

_EXTRA = """
figure.beat{margin:16px 0 0}
figure.beat img{width:100%;height:auto;display:block;background:#fff}
figure.beat img{border:1px solid #dde3ea;border-radius:8px}
section>img{width:100%;height:auto;display:block}
section .scroll{margin-bottom:14px}
header .alert+h1{margin-top:14px}
td.for{color:#c84e00}td.against{color:#0072b2}
"""


def render_page(found: Explained, pictures: Sequence[bytes]) -> str:
    """Make the page of explained beats.

    Parameters
    ----------
    found
        Explained beats.
    pictures
        PNG of each.

    Returns
    -------
    str
        One HTML page that needs no other file, no network and no script.
    """
    leads = ", ".join(found.reading.leads)
    count = f"{len(found)} beat{'s' * (len(found) != 1)}"
    facts = f"{count} of {found.record.name} ({leads}), labelled by {found.subject.name}"
    images = [
        _figure(picture, f"{clock(time, 2)}, labelled {name}")
        for picture, time, name in zip(pictures, found.examples.time.tolist(), _labels(found), strict=True)
    ]
    body = [
        f"<header><h1>Why these labels<small>{escape(found.record.name)}</small></h1>"
        f"<p>{escape(facts)}. {escape(method_text(found))}.</p>{_known(found)}</header>",
        _reading(found),
        _table(found),
        *images,
    ]
    return page_of(f"Explained beats: {found.record.name}", body)


def render_image_page(name: str, method: str, pictures: Mapping[str, bytes]) -> str:
    """Make the page of explained images.

    Parameters
    ----------
    name
        Of the model.
    method
        Of the attribution.
    pictures
        PNG by name of the image.
    """
    body = [
        "<header><h1>Why these labels</h1>"
        f"<p>{', '.join(map(escape, pictures))}, labelled by {escape(name)}.</p></header>",
        f"<section><h2>How to read this</h2><p>{escape(_caution(method))}</p></section>",
        *(_figure(picture, image) for image, picture in pictures.items()),
    ]
    return page_of("Explained images", body)


def page_of(title: str, body: Sequence[str], footer: str = "") -> str:
    """Put a page of parts together that loads nothing: pictures are inside it.

    Parameters
    ----------
    title
        Plain text.
    body
        HTML of the parts.
    footer
        Plain text before the version and the disclaimer.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        # The browser itself then guarantees that the page loads nothing.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\"/>"
        f"<title>{escape(title)}</title><style>{STYLE}{_EXTRA}</style></head>\n<body><main>"
        + "\n".join(body)
        + f"<footer>{f'<p>{escape(footer)}</p>' * bool(footer)}<p>ecgtune {__version__}. {DISCLAIMER}</p>"
        "</footer></main></body></html>\n"
    )


def _figure(picture: bytes, text: str) -> str:
    content = base64.b64encode(picture).decode()
    return (
        f'<figure class="beat"><img alt="{escape(text, quote=True)}" src="data:image/png;base64,{content}"/>'
        "</figure>"
    )


def _caution(method: str) -> str:
    return (
        f"{SAYS[method]} It says how the network came to its label, not what is wrong with the heart, and "
        "not whether the label is right. Other methods and other baselines give other pictures; ecgtune "
        "explain-report measures how far they can be trusted."
    )


def _reading(found: Explained) -> str:
    regions = (
        "P, QRS and T are where these waves are to be expected around the fiducial, by the RR intervals; "
        "nobody has looked whether they are there. Labels above the strip are the model's, numbers RR "
        "intervals in ms."
    )
    return (
        "<section><h2>How to read this</h2>"
        f"<p>{escape(_caution(found.attribution.method))}</p><p>{escape(regions)}</p></section>"
    )


def _known(found: Explained) -> str:
    if not found.trained_on:
        return ""
    return (
        '<div class="alert"><strong>The model was trained on this recording.</strong> Its labels here do not '
        "show how it does on a new patient.</div>"
    )


def _labels(found: Explained) -> list[str]:
    return [found.subject.classes[int(which)] for which in found.predicted]


def _table(found: Explained) -> str:
    subject, examples, attribution = found.subject, found.examples, found.attribution
    shares = found.shares()
    heads = ["time", "label", "probability", "annotated", "explained", *REGIONS, ELSEWHERE]
    sums = attribution.method != "grad-cam"
    if sums:
        heads.append("shape")
    if attribution.rhythm is not None:
        heads.append("rhythm")
    rows = []
    for i, name in enumerate(_labels(found)):
        label = int(examples.label[i])
        sure = 100 * float(found.probability[found.rows[i]].max())
        cells = [
            f"<td>{clock(float(examples.time[i]), 2)}</td>",
            f"<td>{_tag(name)}</td>",
            f"<td>{sure:.0f} %</td>",
            f"<td>{_tag(subject.classes[label]) if label >= 0 else '–'}</td>",
            f"<td>{escape(subject.classes[int(attribution.target[i])])}</td>",
            *(f"<td>{100 * float(shares[region][i]):.0f} %</td>" for region in (*REGIONS, ELSEWHERE)),
        ]
        if sums:
            cells.append(_signed(float(attribution.values[i].sum())))
        if attribution.rhythm is not None:
            cells.append(_signed(float(attribution.rhythm[i].sum())))
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in heads)
    hint = "P to elsewhere: share of the leads' absolute attribution. Shape, rhythm: contributions in logits."
    return (
        f'<section><h2>Beats</h2><p class="hint">{hint}</p><div class="scroll"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _tag(name: str) -> str:
    return f'<span class="tag" style="background:{COLOURS.get(name, "#4a5568")}">{escape(name)}</span>'


def _signed(value: float) -> str:
    text = f"{value:+.2f}".replace("-", "−")
    return f'<td class="{"for" if value >= 0 else "against"}">{text}</td>'
