"""Download of a database's missing files from PhysioNet, each checked by its hash."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from ecgtune.databases.catalogue import Entry, entry_of, parse_sha256sums
from ecgtune.databases.index import Database, cache_folder, data_folder
from ecgtune.databases.verification import file_sha256, wanted
from ecgtune.errors import DataError
from ecgtune.files import write_whole

SUMS = "SHA256SUMS.txt"
_TIMEOUT_S = 30
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Download:
    """What `get` did.

    Parameters
    ----------
    name, root
        The database and the folder that it now lies in.
    fetched
        Files that were downloaded, relative to the folder.
    kept
        Files that were there already.
    unverified
        Files of either kind whose hash is not known.
    n_bytes
        Bytes that were downloaded.
    n_records, n_complete
        Records that are there now, and records of the complete database.
    """

    name: str
    root: Path
    fetched: tuple[str, ...]
    kept: tuple[str, ...]
    unverified: tuple[str, ...]
    n_bytes: int
    n_records: int
    n_complete: int

    def __str__(self) -> str:
        """Say it in one line."""
        text = (
            f"{self.name}: {self.n_records} of {self.n_complete} records in {self.root}; "
            f"{len(self.fetched)} files downloaded ({self.n_bytes / 1e6:.1f} MB), {len(self.kept)} kept"
        )
        if self.unverified:
            text += f"; {len(self.unverified)} files have no known hash and were not verified"
        return text


def get(
    name: str,
    *,
    folder: Path | None = None,
    base_url: str | None = None,
    progress: bool | None = None,
    jobs: int = 4,
    retries: int = 2,
) -> Download:
    """Download what is missing of a database; the same call resumes an interrupted download.

    A file that is there with the right hash is not fetched again; one that arrives incomplete or with another
    hash is never kept. Hashes are those that ship with ecgtune, else those of PhysioNet's own
    ``SHA256SUMS.txt``, which is fetched first and kept beside the records.

    Parameters
    ----------
    name
        A name of the catalogue.
    folder
        Where to put it; else ``ECGTUNE_DATA/<name>`` where that is set, else the user's cache folder.
    base_url
        Folder of the files, in place of the catalogue's (a mirror), ending in a slash.
    progress
        Whether to draw a progress bar on stderr; only on a terminal where not given.
    jobs
        Files to download at a time.
    retries
        Further attempts at each file.

    Raises
    ------
    DataError
        On an unknown name; where the address cannot be reached, a file is not there or arrives with another
        hash, or the folder cannot be written to.
    """
    entry = entry_of(name)
    root = folder if folder is not None else _destination(name)
    url = entry.url if base_url is None else base_url
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(name, root, error) from error
    hashes = _hashes(entry, root, url, retries)
    missing = [path for path, known in hashes.items() if not _is_there(root / path, known)]
    for parent in {(root / path).parent for path in missing}:
        parent.mkdir(parents=True, exist_ok=True)
    with _bar(f"{name}", len(missing), progress) as (report, advance):
        _fetch_all(root, url, {path: hashes[path] for path in missing}, report, advance, jobs, retries)
    return Download(
        name,
        root,
        tuple(missing),
        tuple(path for path in hashes if path not in set(missing)),
        tuple(path for path, known in hashes.items() if known is None),
        sum((root / path).stat().st_size for path in missing),
        len(Database(entry, root)),
        entry.n_records,
    )


def _destination(name: str) -> Path:
    folder = data_folder()
    return (folder if folder is not None else cache_folder()) / name


def _hashes(entry: Entry, root: Path, url: str, retries: int) -> dict[str, str | None]:
    """Files that make the database, relative to its address, and the hash of each where it is known."""
    shipped = entry.hashes()
    flat = [path for record in entry.records for path in entry.record_files(record)]
    if flat and entry.folders == ("",) and all(path in shipped for path in flat):
        return {path: shipped[path] for path in flat}
    published = _published(entry, root, url, retries)
    if published:
        return {path: shipped.get(path, known) for path, known in published.items() if wanted(entry, path)}
    if not flat or entry.folders != ("",):
        raise DataError(
            f"{entry.name}: {url}{SUMS} is not there, and without it the files are not known; "
            "give another address or download it by hand"
        )
    return {path: shipped.get(path) for path in flat}


def _published(entry: Entry, root: Path, url: str, retries: int) -> dict[str, str]:
    """Hashes that PhysioNet publishes beside the files, kept as a file too; empty where it has none."""
    with TemporaryDirectory() as temporary:
        try:
            _fetch(Path(temporary), url, retries, None, SUMS, None)
        except _NotThereError:
            return {}
        text = (Path(temporary) / SUMS).read_text(errors="replace")
    hashes = parse_sha256sums(text)
    if hashes:
        write_whole(root / SUMS, text)
    return hashes


def _is_there(path: Path, known: str | None) -> bool:
    return path.is_file() and (known is None or file_sha256(path) == known)


class _NotThereError(DataError):
    """The server answers that it has no such file."""


def _fetch_all(
    root: Path,
    url: str,
    hashes: dict[str, str | None],
    report: Callable[[int], None] | None,
    advance: Callable[[], None],
    jobs: int,
    retries: int,
) -> None:
    with ThreadPoolExecutor(jobs) as pool:
        fetch = partial(_fetch, root, url, retries, report)
        running = [pool.submit(fetch, path, known) for path, known in hashes.items()]
        try:
            for done in as_completed(running):
                done.result()
                advance()
        except BaseException:
            # Also on Ctrl-C: files on their way are finished, no further one is begun.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(
    root: Path,
    url: str,
    retries: int,
    report: Callable[[int], None] | None,
    path: str,
    known: str | None,
) -> None:
    """Download one file; it takes its name only when it is whole and its hash is right."""
    import pooch  # type: ignore[import-untyped]

    # pooch tells of each file on stderr, which belongs to the progress bar.
    pooch.get_logger().setLevel("WARNING")
    fetcher = pooch.create(
        path=root,
        base_url=url,
        registry={path: f"sha256:{known}" if known else None},
        retry_if_failed=retries,
    )
    bar = _FileProgress(report) if report is not None else False
    http = pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT_S)

    def download(address: str, file: str, manager: object) -> None:
        try:
            http(address, file, manager)
        except OSError as error:
            # pooch leaves the connection of a refused request open.
            if (response := getattr(error, "response", None)) is not None:
                response.close()
            raise

    try:
        fetcher.fetch(path, downloader=download)
    except ValueError as error:
        raise DataError(
            f"{url}{path}: arrived with another SHA-256 than the {known} expected, and was not kept; run the "
            "same command again, or give another address if it stays so"
        ) from error
    except OSError as error:
        if error.errno is not None and not hasattr(error, "response"):
            raise _unwritable(path, root, error) from error
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status is not None:
            raise (_NotThereError if status == 404 else DataError)(
                f"{url}{path}: the server answers {status}; give another address, or try again later"
            ) from error
        raise DataError(
            f"{url}{path}: cannot be downloaded ({type(error).__name__}); check the network, then run the "
            "same command again: it goes on where it stopped"
        ) from error


def _unwritable(what: str, root: Path, error: OSError) -> DataError:
    reason = error.strerror or str(error)
    return DataError(
        f"{what}: cannot be written to {root}: {reason}; choose another folder or free some space"
    )


class _FileProgress:
    """What pooch tells of a file's progress, in the form that it expects (tqdm's)."""

    total = 0

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report = report
        self._received = 0

    def update(self, n_bytes: int) -> None:
        """Count bytes that have arrived."""
        self._received += n_bytes
        self._report(n_bytes)

    def reset(self) -> None:
        """Take back what was counted; pooch then counts the whole file at once."""
        self._report(-self._received)
        self._received = 0

    def close(self) -> None:
        """Do nothing: the bar goes on with the next file."""


@contextmanager
def _bar(
    name: str, n_files: int, progress: bool | None
) -> Iterator[tuple[Callable[[int], None] | None, Callable[[], None]]]:
    """Draw one bar over all files on stderr: functions to report bytes and to advance by a file."""
    if not n_files or not (sys.stderr.isatty() if progress is None else progress):
        yield None, lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    received_text = TextColumn("files, {task.fields[megabytes]:.1f} MB")
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), received_text
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=n_files, megabytes=0.0)
        lock, received = threading.Lock(), [0]

        def report(n_bytes: int) -> None:
            with lock:
                received[0] += n_bytes
                bar.update(task, megabytes=received[0] / 1e6)

        yield report, lambda: bar.advance(task)
