"""torchvision is imported whatever torch it was built for."""

import subprocess
import sys
from pathlib import Path

import pytest

from ecgtune.errors import MissingExtraError
from ecgtune.training.image_networks import import_torchvision

IMPORT = "from ecgtune.training.image_networks.import_torchvision import import_torchvision as get; "


def run(code: str) -> str:
    """Run code in a process that has imported nothing, warnings being errors; what it printed."""
    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def put(folder: Path, text: str) -> Path:
    """Put a package named torchvision into a folder."""
    (folder / "torchvision").mkdir()
    (folder / "torchvision" / "__init__.py").write_text(text)
    return folder


@pytest.fixture
def not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if torchvision had not been imported yet."""
    import_torchvision()
    monkeypatch.delitem(sys.modules, "torchvision")


def test_torchvision_is_imported_once_and_builds_networks() -> None:
    printed = run(
        IMPORT + "tv = get(); import torch, torchvision; assert get() is tv is torchvision; "
        "net = tv.models.squeezenet1_1(weights=None).eval(); "
        "print(tuple(net(torch.zeros(1, 3, 64, 64)).shape), hasattr(torch.ops.torchvision, 'nms'))"
    )
    assert printed.split("\n")[0] == "(1, 1000) True"


def test_missing_operators_are_registered_before_the_second_attempt(tmp_path: Path) -> None:
    # What torchvision does where its compiled operators cannot be loaded, on whatever machine this runs.
    put(
        tmp_path,
        "import torch\n"
        "for name in ('nms', 'qnms'):\n"
        "    @torch.library.register_fake(f'torchvision::{name}')\n"
        "    def described(dets, scores, iou_threshold):\n"
        "        return dets\n",
    )
    first = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    printed = run(first + IMPORT + "tv = get(); assert get() is tv; print(tv.__file__)")
    assert printed.startswith(str(tmp_path))


@pytest.mark.usefixtures("not_imported")
@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("raise RuntimeError('operator torchvision::roi_align is odd')", RuntimeError, "roi_align is odd"),
        ("import no_such_package", ModuleNotFoundError, "No module named 'no_such_package'"),
        ("raise ImportError('libjpeg.so: cannot open')", ImportError, "libjpeg.so: cannot open"),
    ],
)
def test_other_errors_are_not_swallowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: type[Exception], said: str
) -> None:
    monkeypatch.syspath_prepend(put(tmp_path, text))
    with pytest.raises(kind, match=said):
        import_torchvision()


@pytest.mark.usefixtures("not_imported")
def test_a_missing_package_is_named_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as hidden:
        hidden.setitem(sys.modules, "torchvision", None)
        with pytest.raises(MissingExtraError) as caught:
            import_torchvision()
    assert str(caught.value) == 'an image network needs torchvision: pip install "ecgtune[image]"'
    text = "raise ModuleNotFoundError(\"No module named 'PIL'\", name='PIL')"
    monkeypatch.syspath_prepend(put(tmp_path, text))
    with pytest.raises(MissingExtraError, match=r'needs pillow: pip install "ecgtune\[image\]"'):
        import_torchvision()
