"""Download from a server on this machine: whole, interrupted, damaged, missing."""

import hashlib
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ecgtune.databases import CATALOGUE, Entry, find_database, get, verify
from ecgtune.errors import DataError


@dataclass
class Server:
    """Files by path; paths in `cut` break off in the middle, those in `status` answer with it."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    status: dict[str, int] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    url: str = ""

    def publish_hashes(self) -> None:
        sums = [f"{hashlib.sha256(content).hexdigest()} {path}" for path, content in self.files.items()]
        self.files["SHA256SUMS.txt"] = "\n".join(sums).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.lstrip("/")
            state.requests[path] += 1
            content = state.files.get(path)
            status = state.status.get(path, 404 if content is None else 200)
            self.send_response(status)
            if status != 200 or content is None:
                self.end_headers()
                return
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if path in state.cut else content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_address[1]}/"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def add_entry(monkeypatch: pytest.MonkeyPatch, **options: object) -> Entry:
    fields = {"n_records": 2, "used_for": "tests", "records": ("a1", "a2")} | options
    entry = Entry("toydb", "Toy", "1", "http://127.0.0.1:1/", "ODC-By-1.0", "10.0/0", "Nobody", **fields)
    monkeypatch.setitem(CATALOGUE, "toydb", entry)
    return entry


@pytest.fixture
def toydb(server: Server, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A database of two records in the catalogue, and its files on the server with their hashes."""
    for record in ("a1", "a2"):
        for suffix in (".hea", ".dat", ".atr"):
            server.files[record + suffix] = (record + suffix).encode() * 5_000
    server.files["LICENSE.txt"] = b"not wanted"
    server.files["old/a1.dat"] = b"not wanted"
    server.publish_hashes()
    return add_entry(monkeypatch)


def test_download_fetches_what_is_missing_and_nothing_else(
    toydb: Entry, server: Server, tmp_path: Path
) -> None:
    done = get("toydb", folder=tmp_path / "toydb", base_url=server.url)
    assert len(done.fetched) == 6
    assert done.kept == done.unverified == ()
    assert done.n_bytes == 6 * 30_000
    assert str(done) == (
        f"toydb: 2 of 2 records in {tmp_path / 'toydb'}; 6 files downloaded (0.2 MB), 0 kept"
    )
    assert {p.name for p in (tmp_path / "toydb").iterdir()} == {*done.fetched, "SHA256SUMS.txt"}
    assert server.requests["LICENSE.txt"] == server.requests["old/a1.dat"] == 0
    assert find_database("toydb", folder=tmp_path / "toydb").complete

    (tmp_path / "toydb" / "a2.atr").unlink()
    (tmp_path / "toydb" / "a1.dat").write_bytes(b"half")
    again = get("toydb", folder=tmp_path / "toydb", base_url=server.url)
    assert sorted(again.fetched) == ["a1.dat", "a2.atr"]
    assert server.requests["a1.hea"] == 1
    assert verify("toydb", folder=tmp_path / "toydb").ok == 6


def test_an_interrupted_download_is_resumed(toydb: Entry, server: Server, tmp_path: Path) -> None:
    server.cut.add("a2.dat")
    with pytest.raises(DataError, match=r"a2.dat: cannot be downloaded .*check the network.*goes on where"):
        get("toydb", folder=tmp_path, base_url=server.url, jobs=1, retries=0)
    there = {path.name for path in tmp_path.iterdir()}
    assert "a1.dat" in there
    assert there <= {"a1.hea", "a1.dat", "a1.atr", "a2.hea", "a2.atr", "SHA256SUMS.txt"}
    server.cut.clear()
    done = get("toydb", folder=tmp_path, base_url=server.url, retries=0)
    assert "a2.dat" in done.fetched
    assert "a1.dat" in done.kept
    assert server.requests["a1.dat"] == 1


def test_a_file_is_tried_again(toydb: Entry, server: Server, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: server.cut.clear())
    server.cut.add("a1.dat")
    assert len(get("toydb", folder=tmp_path, base_url=server.url, retries=1).fetched) == 6
    assert server.requests["a1.dat"] == 2


def test_a_wrong_hash_names_file_and_remedy(toydb: Entry, server: Server, tmp_path: Path) -> None:
    server.files["a1.dat"] = b"another file"
    with pytest.raises(DataError, match=r"a1.dat: arrived with another SHA-256 .* not kept; run the same"):
        get("toydb", folder=tmp_path, base_url=server.url, retries=0)
    assert not (tmp_path / "a1.dat").exists()


def test_hashes_that_ship_with_ecgtune_come_first(server: Server, tmp_path: Path) -> None:
    for record in CATALOGUE["mitdb"].records:
        for file in CATALOGUE["mitdb"].record_files(record):
            server.files[file] = b"forged"
    server.publish_hashes()
    with pytest.raises(DataError, match="arrived with another SHA-256"):
        get("mitdb", folder=tmp_path, base_url=server.url, retries=0, jobs=1)
    assert server.requests["SHA256SUMS.txt"] == 0


def test_a_missing_file_names_the_address(toydb: Entry, server: Server, tmp_path: Path) -> None:
    del server.files["a2.hea"]
    with pytest.raises(DataError, match=rf"{server.url}a2.hea: the server answers 404; give another address"):
        get("toydb", folder=tmp_path, base_url=server.url, retries=0)


def test_a_failing_server(toydb: Entry, server: Server, tmp_path: Path) -> None:
    server.status["SHA256SUMS.txt"] = 503
    with pytest.raises(DataError, match=r"SHA256SUMS.txt: the server answers 503"):
        get("toydb", folder=tmp_path, base_url=server.url, retries=0)


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    add_entry(monkeypatch)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DataError, match=r"cannot be downloaded \(ConnectionError\); check the network"):
        get("toydb", folder=tmp_path, base_url=f"http://127.0.0.1:{port}/", retries=0)


def test_without_published_hashes_it_says_so(toydb: Entry, server: Server, tmp_path: Path) -> None:
    del server.files["SHA256SUMS.txt"]
    done = get("toydb", folder=tmp_path, base_url=server.url, retries=0)
    assert len(done.unverified) == len(done.fetched) == 6
    assert str(done).endswith("6 files have no known hash and were not verified")
    report = verify("toydb", folder=tmp_path)
    assert (report.ok, len(report.unknown)) == (0, 6)


def test_without_published_hashes_folders_are_unknown(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_entry(monkeypatch, records=(), folders=("part*",))
    with pytest.raises(DataError, match=r"SHA256SUMS.txt is not there, and without it the files"):
        get("toydb", folder=tmp_path, base_url=server.url, retries=0)


def test_records_in_folders_and_extras(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_entry(monkeypatch, records=(), folders=("part*",), annotations=(), extras=("LABELS*.csv",))
    for path in ("part1/a1.hea", "part1/a1.dat", "part2/a2.hea", "part2/a2.dat", "LABELS-v3.csv"):
        server.files[path] = path.encode()
    server.files["other/a3.dat"] = server.files["part1/readme.txt"] = b"not wanted"
    server.publish_hashes()
    server.files["SHA256SUMS.txt"] += f"\n{'0' * 64} ../../a4.dat\n{'0' * 64} part1/../../a5.dat".encode()
    done = get("toydb", folder=tmp_path, base_url=server.url)
    assert sorted(done.fetched) == [
        "LABELS-v3.csv",
        *("part1/a1.dat", "part1/a1.hea", "part2/a2.dat", "part2/a2.hea"),
    ]
    assert find_database("toydb", folder=tmp_path).records() == ("a1", "a2")
    assert verify("toydb", folder=tmp_path).ok == 4


def test_ecgtune_data_is_where_downloads_go(
    toydb: Entry, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGTUNE_DATA", str(tmp_path / "data"))
    assert get("toydb", base_url=server.url).root == tmp_path / "data" / "toydb"
    assert find_database("toydb").root == tmp_path / "data" / "toydb"
    monkeypatch.delenv("ECGTUNE_DATA")
    monkeypatch.setattr("ecgtune.databases.download.cache_folder", lambda: tmp_path / "cache")
    assert get("toydb", base_url=server.url).root == tmp_path / "cache" / "toydb"


def test_a_folder_that_cannot_be_made(toydb: Entry, server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"toydb: cannot be written to .*; choose another folder"):
        get("toydb", folder=tmp_path / "file" / "toydb", base_url=server.url)


def test_a_full_disk(toydb: Entry, server: Server, tmp_path: Path, monkeypatch) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.move", full)
    with pytest.raises(DataError, match=r"cannot be written to .*: No space left on device; .* free some"):
        get("toydb", folder=tmp_path, base_url=server.url, retries=0)


def test_progress_is_drawn_on_stderr_when_asked(
    toydb: Entry, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    get("toydb", folder=tmp_path / "1", base_url=server.url)
    assert capsys.readouterr() == ("", "")
    get("toydb", folder=tmp_path / "2", base_url=server.url, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "toydb" in err
    assert "6/6" in err
    assert "files, 0.2 MB" in err
