"""What every command shares: the program, its exit status, JSON, progress."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from ecgtune._version import __version__
from ecgtune.errors import EcgtuneError

SOME_FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130
"""Exit status where some records failed, where nothing could be done, and after Ctrl-C."""

app = typer.Typer(
    help="Label every heartbeat of an ECG recording. Not a medical device.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def main() -> None:
    """Run the program; every error is one line on stderr."""
    try:
        status = app(prog_name="ecgtune", standalone_mode=False)
    except EcgtuneError as error:
        typer.echo(f"ecgtune: {error}", err=True)
        sys.exit(WRONG_USE)
    except _UsageError as error:
        _explain(error)
        sys.exit(WRONG_USE)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        typer.echo(f"ecgtune: {where}{error.strerror or error}; check the path and the disk", err=True)
        sys.exit(WRONG_USE)
    if status == INTERRUPTED:
        # Nothing but the end is left, which Ctrl-C would only break.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        typer.echo("ecgtune: interrupted; the same command goes on from here", err=True)
    sys.exit(status)


# typer brings its own copy of click or uses click's, by version; in both BadParameter is a UsageError.
_UsageError: Any = typer.BadParameter.__base__


def _explain(error: Any) -> None:
    """Say what is wrong with the command line in one line; a command group alone shows its help."""
    text = error.format_message()
    if "\n" in text.strip():
        typer.echo(text, err=True)
        return
    command = error.ctx.command_path if error.ctx else "ecgtune"
    problem = text.rstrip(".")
    typer.echo(f"ecgtune: {problem[:1].lower()}{problem[1:]}; see {command} --help", err=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ecgtune {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before any command."""


def print_json(content: Any) -> None:
    """Print plain types for machines."""
    typer.echo(json.dumps(content, indent=1, default=str))


def by_comma(text: str) -> list[str]:
    """Parts of an option that takes several, without empty ones."""
    return [part.strip() for part in text.split(",") if part.strip()]


def named_records(text: str | None) -> list[str] | None:
    """Names of ``--records``; None where it was not given."""
    if text is None:
        return None
    if not (names := by_comma(text)):
        raise typer.BadParameter("--records: give names by comma, or leave it out")
    return names


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Draw a progress bar on stderr, on a terminal only; the function given advances it."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
