"""Downloads of weights from a server on this machine: right and wrong hashes, and no network."""

import hashlib
import io
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from ecgtune.errors import ModelError
from ecgtune.training.image_networks import ImageWeights, build_image_network, image_weights

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORK = "shufflenet_v2_x0_5"


@dataclass
class Server:
    files: dict[str, bytes] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    url: str = ""

    def offer(self, content: bytes, digest: str | None = None) -> ImageWeights:
        """Offer a file under its own hash, or another."""
        name = f"{NETWORK}-{digest or hashlib.sha256(content).hexdigest()[:8]}.pth"
        self.files[name] = content
        return replace(image_weights(NETWORK), url=self.url + name)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.lstrip("/")
            state.requests[name] += 1
            self.send_response(200 if name in state.files else 404)
            self.end_headers()
            self.wfile.write(state.files.get(name, b""))

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{listening.server_port}/"
    yield state
    listening.shutdown()
    listening.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no folder of data that has the weights already."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("ECGTUNE_DATA", raising=False)
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture(scope="module")
def trained() -> bytes:
    content = io.BytesIO()
    torch.save(build_image_network(NETWORK, seed=4).state_dict(), content)
    return content.getvalue()


def test_weights_are_downloaded_once_and_checked(
    server: Server, trained: bytes, torch_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = server.offer(trained)
    expected = build_image_network(NETWORK, seed=4).state_dict()
    for _ in range(2):
        found = build_image_network(NETWORK, weights=weights).state_dict()
        assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert list(server.requests.values()) == [1]
    (kept,) = torch_home.iterdir()
    assert kept.read_bytes() == trained
    # stdout belongs to what a command prints.
    assert capsys.readouterr().out == ""


def test_a_file_with_another_hash_is_not_kept(server: Server, trained: bytes, torch_home: Path) -> None:
    weights = server.offer(trained, "0123abcd")
    with pytest.raises(ModelError) as caught:
        build_image_network(NETWORK, weights=weights)
    assert str(caught.value) == (
        f"{NETWORK}: {weights.url} arrived with another SHA-256 than its name tells, and was not kept; try "
        "again, or download it by hand and give its path as weights"
    )
    assert not list(torch_home.iterdir())


def test_a_file_without_a_hash_is_not_asked_for(server: Server, trained: bytes) -> None:
    server.files["weights.pth"] = trained
    weights = replace(image_weights(NETWORK), url=f"{server.url}weights.pth")
    with pytest.raises(ModelError, match=r"weights.pth: the file's name holds no hash"):
        build_image_network(NETWORK, weights=weights)
    assert not server.requests


def test_a_file_that_is_not_there(server: Server, torch_home: Path) -> None:
    weights = replace(image_weights(NETWORK), url=f"{server.url}away-0123abcd.pth")
    with pytest.raises(
        ModelError, match=r"cannot be downloaded to .* \(the server answers 404\); check the network"
    ):
        build_image_network(NETWORK, weights=weights)
    assert not list(torch_home.iterdir())


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/resnet18-f37072fd.pth"
    with pytest.raises(ModelError) as caught:
        build_image_network("resnet18", weights=replace(image_weights("resnet18"), url=url))
    said = str(caught.value)
    assert said.startswith(f"resnet18: {url} cannot be downloaded to ")
    assert said.endswith("; check the network, or download it by hand and give its path as weights")
    assert "Connection refused" in said
    assert "\n" not in said


def test_what_was_damaged_afterwards(server: Server, trained: bytes, torch_home: Path) -> None:
    weights = server.offer(trained)
    build_image_network(NETWORK, weights=weights)
    (kept,) = torch_home.iterdir()
    kept.write_bytes(trained[: len(trained) // 2])
    with pytest.raises(ModelError, match=r"is damaged; delete it and try again"):
        build_image_network(NETWORK, weights=weights)


def test_a_cache_that_cannot_be_written(
    server: Server, trained: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"cannot be downloaded to .*file"):
        build_image_network(NETWORK, weights=server.offer(trained))


def test_a_file_of_the_data_folder_stands_in_for_the_download(
    trained: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safetensors.torch import save_file

    (tmp_path / "imagenet").mkdir()
    network = build_image_network(NETWORK, seed=8)
    save_file(network.state_dict(), tmp_path / "imagenet" / f"{NETWORK}.safetensors")
    monkeypatch.setenv("ECGTUNE_DATA", str(tmp_path))
    found = build_image_network(NETWORK, weights="imagenet")
    assert torch.equal(found.state_dict()["fc.weight"], network.state_dict()["fc.weight"])
