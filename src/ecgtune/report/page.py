"""The page: what the main job found in one recording, put together as HTML."""

from collections.abc import Iterable
from html import escape

from ecgtune._version import __version__
from ecgtune.labelled import (
    DISCLAIMER,
    PAUSE_S,
    RATE_WINDOW,
    Ectopy,
    Labelled,
    Moment,
    Summary,
    summarise,
)
from ecgtune.labels import CLASS_NAMES, CLASSES
from ecgtune.report import plots, svg
from ecgtune.report.choice import RHYTHM, Excerpt, choose_excerpts
from ecgtune.report.strips import GRID, MOST_LEADS, draw_strip
from ecgtune.report.style import COLOURS, STYLE

_MOST_RUNS = 24
_MOST_ROWS = 48
_HOURS = (1, 2, 4, 6, 12, 24, 24 * 7, 24 * 366)
_NONE = "–"


def render_html(labelled: Labelled) -> str:
    """Make the report of a labelled recording.

    Parameters
    ----------
    labelled
        The recording. Of its signal, just the pieces that the strips show are read.

    Returns
    -------
    str
        One HTML page (well-formed as XML too) that needs no other file, no network and no script.

    Raises
    ------
    RecordError
        Where the signal of a strip cannot be read.
    """
    summary = summarise(labelled)
    title = f"ECG report: {labelled.record.name}"
    body = [
        _header(labelled),
        _figures(summary),
        _tables(summary),
        _about(labelled, summary),
        _plots(labelled, summary),
        _strips(labelled, summary),
        _runs(labelled, summary),
        _hours(labelled),
        _footer(),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        # The browser itself then guarantees that the page loads nothing.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\"/>"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>{GRID}<main>"
        + "\n".join(part for part in body if part)
        + "</main></body></html>\n"
    )


def _header(labelled: Labelled) -> str:
    record = labelled.record
    facts = [
        f"{svg.clock(record.duration)} of ECG",
        f"{len(record.leads)} lead{'s' * (len(record.leads) != 1)} ({', '.join(record.leads)})",
        f"{record.fs:g} Hz",
    ]
    if record.start is not None:
        facts.insert(0, f"recorded from {record.start:%Y-%m-%d %H:%M:%S}")
    trained = (
        '<div class="alert"><strong>The model was trained on this recording.</strong> Its labels here look '
        "better than they would on a new patient's.</div>"
        if labelled.trained_on
        else ""
    )
    return (
        f"<header><h1>{escape(record.name)}<small>heartbeats labelled by ecgtune</small></h1>"
        f"<p>{escape(' · '.join(facts))}</p>"
        f'<div class="alert"><strong>{escape(DISCLAIMER)}</strong> Every label is a program\'s guess; '
        f"look at the strips.</div>{trained}</header>"
    )


def _figures(summary: Summary) -> str:
    def rate(moment: Moment | None) -> str:
        return _NONE if moment is None else f"{moment.value:.0f} <small>bpm</small>"

    def at(moment: Moment | None) -> str:
        return "" if moment is None else f"at {svg.clock(moment.at_s)}"

    longest = summary.longest_rr
    pauses = f"pauses over {PAUSE_S:g} s: {summary.pauses:,}"
    mean = _NONE if summary.mean_rate is None else f"{summary.mean_rate:.0f} <small>bpm</small>"
    sure = _NONE if summary.mean_confidence is None else f"{summary.mean_confidence:.0%}"
    unsure = "" if summary.unsure is None else f"{summary.unsure:.1%} of beats under 50 %"
    figures = [
        ("beats", f"{summary.beats:,}", f"in {svg.clock(summary.analysed_s)}"),
        ("mean heart rate", mean, ""),
        ("lowest rate", rate(summary.min_rate), at(summary.min_rate)),
        ("highest rate", rate(summary.max_rate), at(summary.max_rate)),
        (
            "longest RR interval",
            _NONE if longest is None else f"{longest.value:.2f} <small>s</small>",
            f"{at(longest)}; {pauses}" if longest else "",
        ),
        ("ventricular", f"{summary.counts['V']:,}", f"{summary.fractions['V']:.1%} of beats"),
        ("supraventricular", f"{summary.counts['S']:,}", f"{summary.fractions['S']:.1%} of beats"),
        ("mean confidence", sure, unsure),
    ]
    return (
        '<div class="figures">'
        + "".join(
            f"<div><span>{name}</span><b>{value}</b><i>{more}</i></div>" for name, value, more in figures
        )
        + "</div>"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def cell(content: str) -> str:
        none = ' class="none"' if content in ("0", "0.0", _NONE) else ""
        return f"<td{none}>{content}</td>"

    return (
        f"<table><thead><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr></thead><tbody>"
        + "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
        + "</tbody></table>"
    )


def _tag(name: str) -> str:
    return f'<span class="tag" style="background:{COLOURS[name]}">{name}</span>'


def _tables(summary: Summary) -> str:
    hours = summary.analysed_s / 3600
    classes = _table(
        ("class", "beats", "share", "per hour"),
        (
            (
                f"{_tag(name)} {CLASS_NAMES[name]}",
                f"{summary.counts[name]:,}",
                f"{summary.fractions[name]:.2%}",
                f"{summary.counts[name] / hours:.1f}" if hours > 0 else _NONE,
            )
            for name in CLASSES
        ),
    )
    return (
        f'<div class="two"><section><h2>Beats</h2>{classes}</section>'
        f"<section><h2>Ectopic beats</h2>{_ectopy_table(summary)}</section></div>"
    )


def _ectopy_table(summary: Summary) -> str:
    ventricular, supraventricular = summary.ectopy["V"], summary.ectopy["S"]

    def episodes(ectopy: Ectopy, kind: str) -> str:
        return f"{sum(episode.kind == kind for episode in ectopy.episodes):,}"

    def longest(ectopy: Ectopy) -> str:
        return _NONE if ectopy.longest is None else f"{ectopy.longest.beats} beats"

    def fastest(ectopy: Ectopy) -> str:
        return _NONE if ectopy.fastest is None else f"{ectopy.fastest.rate:.0f} bpm"

    rows = [
        (label, of(ventricular), of(supraventricular))
        for label, of in (
            ("isolated", lambda e: f"{e.isolated:,}"),
            ("couplets", lambda e: f"{e.couplets:,}"),
            ("runs of 3 or more", lambda e: f"{len(e.runs):,}"),
            ("longest run", longest),
            ("fastest run", fastest),
            ("bigeminy, episodes", lambda e: episodes(e, "bigeminy")),
            ("trigeminy, episodes", lambda e: episodes(e, "trigeminy")),
        )
    ]
    return _table(("", f"{_tag('V')} ventricular", f"{_tag('S')} supraventricular"), rows)


def _about(labelled: Labelled, summary: Summary) -> str:
    model = labelled.model + (f" ({labelled.model_hash[:12]})" if labelled.model_hash else "")
    trained = "yes: its labels here say nothing about new patients" if labelled.trained_on else "no"
    facts = [
        ("model", model),
        ("leads used", ", ".join(labelled.leads) or _NONE),
        ("trained on this recording", trained),
    ]
    if labelled.min_confidence:
        n = int(labelled.rejected.sum())
        share = f" ({n / summary.beats:.1%} of beats)" if summary.beats else ""
        facts.append((f"Q, being less sure than {labelled.min_confidence:.0%}", f"{n:,}{share}"))
    missing = summary.duration_s - summary.analysed_s
    if len(labelled.gaps):
        pieces = f"{len(labelled.gaps)} piece{'s' * (len(labelled.gaps) != 1)}"
        facts.append(("no signal", f"{svg.clock(missing)} in {pieces}, grey in the plots"))
    notes = "".join(f"<li>{escape(note)}</li>" for note in labelled.notes)
    listing = f"<dt>notes</dt><dd><ul>{notes}</ul></dd>" if notes else "<dt>notes</dt><dd>none</dd>"
    return (
        "<section><h2>How it was labelled</h2><dl>"
        + "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
        + listing
        + "</dl></section>"
    )


def _plots(labelled: Labelled, summary: Summary) -> str:
    if summary.beats < 2:
        return "<section><h2>Heart rate</h2><p>Fewer than two beats: no heart rate to show.</p></section>"
    width = svg.span(plots.bin_width(summary.duration_s))
    colours = " ".join(_tag(name) for name in CLASSES if summary.counts[name])
    spread = plots.draw_confidence(labelled)
    confidence = (
        '<section><h2>Confidence</h2><p class="hint">Highest class probability of each beat, by class; every '
        f"class has its own scale. Beats under 50 % are the first to check.</p>{spread}</section>"
        if spread
        else ""
    )
    return (
        f'<section><h2>Heart rate</h2><p class="hint">Mean in {width} (line), lowest and highest mean over '
        f"{RATE_WINDOW} successive RR intervals (band); below, beats of each abnormal class in {width}, "
        f"with the tallest bar's count.</p>{plots.draw_trend(labelled)}</section>"
        f'<section><h2>RR intervals</h2><p class="hint">Each interval in the colour of the beat that ends it '
        f"({colours}). Intervals beyond the scale lie on its edge.</p>{plots.draw_rr(labelled)}</section>"
        '<div class="two"><section><h2>Poincaré plot</h2><p class="hint">Each beat by the RR interval before '
        "and after it: premature beats lie above the dashed line, beats after a pause below it.</p>"
        f"{plots.draw_poincare(labelled)}</section>{confidence}</div>"
    )


def _strips(labelled: Labelled, summary: Summary) -> str:
    excerpts = choose_excerpts(labelled, summary)
    groups: dict[str, list[Excerpt]] = {}
    for excerpt in excerpts:
        groups.setdefault(excerpt.group, []).append(excerpt)
    parts = []
    for group, members in groups.items():
        if group == RHYTHM:
            heading = "Rate and pauses"
        else:
            heading = f"{_tag(group)} {CLASS_NAMES[group][:1].upper()}{CLASS_NAMES[group][1:]}"
        parts.append(f"<h3>{heading}</h3>" + "".join(draw_strip(labelled, member) for member in members))
    if not any(name in groups for name in CLASSES[1:]):
        found = "No beat was labelled abnormal." if summary.beats else "No beat was found."
        parts.insert(0, f"<p>{found}</p>")
    leads = (
        f" Of {len(labelled.record.leads)} leads {MOST_LEADS} are shown, those the model used first."
        if len(labelled.record.leads) > MOST_LEADS
        else ""
    )
    return (
        '<section class="long"><h2>Strips</h2><p class="hint">Above each beat its class, the model\'s '
        f"confidence and the RR intervals in ms; each lead is drawn around its median.{leads}</p>"
        + "".join(parts)
        + "</section>"
    )


def _runs(labelled: Labelled, summary: Summary) -> str:
    runs = [run for ectopy in summary.ectopy.values() for run in ectopy.runs]
    if not runs:
        return ""
    shown = sorted(runs, key=lambda run: (run.label == "V", run.beats), reverse=True)[:_MOST_RUNS]
    hint = (
        f'<p class="hint">{len(shown)} of {len(runs):,}: ventricular ones before supraventricular ones, then '
        "the longest, listed in order of time. The JSON file holds all.</p>"
        if len(shown) < len(runs)
        else ""
    )
    start = labelled.record.start
    rows = [
        (
            svg.clock(run.start_s, 1) + (f" ({svg.time_of_day(start, run.start_s)})" if start else ""),
            _tag(run.label),
            f"{run.beats}",
            f"{run.duration_s:.1f} s",
            f"{run.rate:.0f} bpm",
        )
        for run in sorted(shown, key=lambda run: run.start_s)
    ]
    table = _table(("start", "class", "beats", "first to last", "mean rate"), rows)
    return f'<section class="long"><h2>Runs of three or more</h2>{hint}{table}</section>'


def _hours(labelled: Labelled) -> str:
    duration = labelled.record.duration
    if duration < 7200 or not len(labelled.annotations):
        return ""
    hours = next(step for step in _HOURS if duration / 3600 / step <= _MOST_ROWS)
    binned = plots.trend(labelled, 3600 * hours, PAUSE_S)

    def rate(value: float) -> str:
        return f"{value:.0f}" if value == value else _NONE

    start = labelled.record.start
    rows = []
    for k in range(len(binned.mean)):
        at = float(binned.edges[k])
        rows.append(
            (
                svg.clock(at)[:-3] + (f" ({svg.time_of_day(start, at)})" if start else ""),
                f"{binned.counts[k].sum():,}",
                rate(binned.mean[k]),
                rate(binned.low[k]),
                rate(binned.high[k]),
                *(f"{count:,}" for count in binned.counts[k, 1:].tolist()),
                f"{binned.pauses[k]:,}",
            )
        )
    head = ("from", "beats", "mean bpm", "lowest", "highest", *map(_tag, CLASSES[1:]), f"RR > {PAUSE_S:g} s")
    name = "hour" if hours == 1 else f"{hours} hours"
    return f'<section class="long"><h2>By {name}</h2>{_table(head, rows)}</section>'


def _footer() -> str:
    return (
        f"<footer>Times are from the recording's start. Lowest and highest rate: means over {RATE_WINDOW} "
        "successive RR intervals, beats of every class counted. Runs: three or more successive beats of one "
        "class. Bigeminy and trigeminy: three or more cycles of one ectopic beat with one or two N beats. RR "
        f"intervals across missing signal are left out. {escape(DISCLAIMER)} ecgtune {__version__}.</footer>"
    )
