"""What cinc2017 says of whole recordings: N, A (atrial fibrillation), O (another rhythm), ~ (noise)."""

import csv

from ecgtune.databases.index import Database
from ecgtune.errors import DataError


def recording_labels(database: Database) -> dict[str, str]:
    """Label of each recording; of the third version of the labels where there are several.

    Raises
    ------
    DataError
        Where the labels are not there.
    """
    for name in ("REFERENCE-v3.csv", "REFERENCE.csv"):
        for path in sorted(database.root.rglob(name)):
            with path.open(encoding="utf-8", newline="") as file:
                return {row[0]: row[1] for row in csv.reader(file) if len(row) > 1}
    raise DataError(
        f"{database.name}: no REFERENCE-v3.csv or REFERENCE.csv in {database.root}; "
        f"run `ecgtune data get {database.name}`"
    )
