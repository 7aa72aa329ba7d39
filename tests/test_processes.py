"""Work in several processes: which are used, with how many threads, and how they end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecgtune.processes import get_ready, run_all

ENTERED: list[str] = []


@contextmanager
def around():
    ENTERED.append("in")
    yield
    ENTERED.append("out")


def look(shared: str, task: float) -> tuple[str, int, str | None, list[str]]:
    time.sleep(task)
    return shared, os.getpid(), os.environ.get("OMP_NUM_THREADS"), list(ENTERED)


def end(shared: int, task: int) -> int:
    """Do a task; one of them ends the process."""
    if task == shared:
        os._exit(3)
    return task


@pytest.mark.parametrize("fresh", [False, True])
def test_processes_take_one_thread_each(monkeypatch: pytest.MonkeyPatch, fresh: bool) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = dict(run_all(look, "shared", [0.5, 0.5, 0.0], 2, fresh=fresh, around=around))
    assert sorted(found) == [0, 1, 2]
    assert os.getpid() not in {process for _, process, _, _ in found.values()}
    for shared, _, threads, entered in found.values():
        assert (shared, threads, entered) == ("shared", "1", ["in"])
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_in_this_process_what_is_around_is_left_again() -> None:
    ENTERED.clear()
    ((_, (_, process, _, entered)),) = run_all(look, "shared", [0.0], 4, around=around)
    assert process == os.getpid()
    assert entered == ["in"]
    assert ENTERED == ["in", "out"]


def test_a_process_that_ends_is_an_error_and_not_a_wait() -> None:
    with pytest.raises(BrokenExecutor):
        list(run_all(end, 1, [1, 1, 1], 2))


def test_whoever_stops_listening_stops_the_work() -> None:
    working = run_all(look, "shared", [0.0, *[0.2] * 50], 2)
    next(working)
    began = time.perf_counter()
    working.close()
    assert time.perf_counter() - began < 2
    assert not [child for child in multiprocessing.active_children() if child.name.startswith("ForkServer")]


def importing_from(folder: Path) -> dict[str, str]:
    """Environment of a program whose processes, too, find modules in a folder."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no forkserver")
def test_what_is_got_ready_is_imported_before_a_process_begins(tmp_path: Path) -> None:
    (tmp_path / "slow_to_import.py").write_text("loaded = True\n")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from ecgtune.processes import get_ready, run_all\n"
        "def there(shared, task):\n"
        "    return shared in sys.modules\n"
        "if __name__ == '__main__':\n"
        "    get_ready('slow_to_import')\n"
        "    print(sorted(run_all(there, 'slow_to_import', [1, 2], 2)))\n"
    )
    # In a program of its own: what processes come from is started once.
    ended = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=importing_from(tmp_path)
    )
    assert ended.stdout.strip() == "[(0, True), (1, True)]", ended.stderr


posix = pytest.mark.skipif(sys.platform == "win32", reason="sends signals to a group of processes")

INTERRUPTED = """
import os, sys, time
from ecgtune.processes import run_all
def wait(release, task):
    print(os.getpid(), flush=True)
    while not os.path.exists(release):
        time.sleep(0.02)
    return task
if __name__ == "__main__":
    waiting = lambda tasks: print("waiting", tasks, flush=True)
    try:
        for _, made in run_all(wait, sys.argv[1], [1, 2, 3, 4, 5], 2, fresh=FRESH, waiting=waiting):
            print("made", made, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@contextmanager
def in_a_terminal(script: Path, *arguments: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a script in a group of processes, as a terminal does, which sends Ctrl-C to all of them."""
    with subprocess.Popen(
        [sys.executable, script, *arguments],
        env=importing_from(script.parent),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as program:
        # Nobody waits for ever for a line that does not come.
        too_long = threading.Timer(60, os.killpg, (program.pid, signal.SIGKILL))
        too_long.start()
        try:
            yield program
        finally:
            too_long.cancel()
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGKILL)


def lines(program: subprocess.Popen[str], count: int) -> list[str]:
    assert program.stdout is not None
    return [program.stdout.readline().strip() for _ in range(count)]


@posix
@pytest.mark.parametrize("fresh", [False, True])
def test_after_ctrl_c_what_is_being_done_is_finished_and_nothing_more_begun(
    tmp_path: Path, fresh: bool
) -> None:
    script, release = tmp_path / "script.py", tmp_path / "release"
    script.write_text(INTERRUPTED.replace("FRESH", str(fresh)))
    with in_a_terminal(script, release) as program:
        lines(program, 2)
        os.killpg(program.pid, signal.SIGINT)
        assert lines(program, 1) == ["waiting [1, 2]"]
        release.touch()
        out, err = program.communicate(timeout=30)
    assert sorted(out.splitlines()) == ["interrupted", "made 1", "made 2"]
    assert err == ""


@posix
@pytest.mark.parametrize("fresh", [False, True])
def test_a_second_ctrl_c_ends_everything_at_once(tmp_path: Path, fresh: bool) -> None:
    script = tmp_path / "script.py"
    script.write_text(INTERRUPTED.replace("FRESH", str(fresh)))
    with in_a_terminal(script, tmp_path / "never") as program:
        processes = [int(line) for line in lines(program, 2)]
        os.killpg(program.pid, signal.SIGINT)
        lines(program, 1)
        os.killpg(program.pid, signal.SIGINT)
        out, err = program.communicate(timeout=30)
    assert out.splitlines() == ["interrupted"]
    assert err == ""
    assert not any(is_alive(process) for process in processes)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no forkserver")
def test_ctrl_c_does_not_reach_what_processes_come_from(tmp_path: Path) -> None:
    (tmp_path / "slow_to_import.py").write_text(
        "import time\nprint('importing', flush=True)\ntime.sleep(0.5)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, time\n"
        "from ecgtune.processes import get_ready, run_all\n"
        "def there(shared, task):\n"
        "    return shared in sys.modules\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        get_ready('slow_to_import')\n"
        "        time.sleep(600)\n"
        "    except KeyboardInterrupt:\n"
        "        print(sorted(run_all(there, 'slow_to_import', [1, 2], 2)))\n"
    )
    with in_a_terminal(script) as program:
        assert lines(program, 1) == ["importing"]
        os.killpg(program.pid, signal.SIGINT)
        out, err = program.communicate(timeout=30)
    assert out.strip() == "[(0, True), (1, True)]"
    assert err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, time\n"
        "from ecgtune.processes import run_all\n"
        "def wait(shared, task):\n"
        "    print(os.getpid(), flush=True)\n"
        "    time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    list(run_all(wait, 0, [1, 2], 2))\n"
    )
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while any(is_alive(child) for child in children):
        assert time.monotonic() < deadline, "they go on without their parent"
        time.sleep(0.05)
    parent.stdout.close()


def is_alive(process: int) -> bool:
    """Whether it works; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_single_process_may_be_another_one() -> None:
    ((_, (_, process, _, _)),) = run_all(look, "shared", [0.0], 1, apart=True)
    assert process != os.getpid()


def test_to_get_ready_twice_is_no_error() -> None:
    get_ready("json")
    get_ready("json")
