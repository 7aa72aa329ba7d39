"""The command that compares every system under every protocol."""

from pathlib import Path
from typing import Annotated

import typer

from ecgtune.cli.shared import Json, app, print_json
from ecgtune.errors import ResultError


@app.command()
def leaderboard(
    protocol: Annotated[str | None, typer.Option(help="Protocols, by comma.", show_default="all")] = None,
    results: Annotated[Path, typer.Option(help="Folder of the stored results.")] = Path("results"),
    as_json: Json = False,
) -> None:
    """Every system under every protocol, with intervals, from stored results.

    Example: ecgtune leaderboard --protocol inter-patient,patient-adapted

    Nothing is trained or tested: a system whose result is not there is "not measured".
    """
    from ecgtune.evaluation.leaderboard import to_plain
    from ecgtune.evaluation.leaderboard_tables import plain
    from ecgtune.evaluation.results import load_results

    if not results.is_dir():
        raise ResultError(f"{results}: no such folder; run inside a checkout, or give --results")
    names = None if protocol is None else [name.strip() for name in protocol.split(",")]
    stored = load_results(results)
    if as_json:
        print_json(to_plain(stored, names))
    else:
        typer.echo(plain(stored, names))
