"""Worker processes and the programs they work for: scripts, forks, and what ends whom."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SCRIPT = """
import os, time
import numpy as np
from nnc.gluon.data import DataLoader, SimpleDataset

def slow(x):
    os.write(1, b"reading\\n")  # `print` may write twice, and two workers then share a line.
    time.sleep(60)
    return x

def main():
    for batch in DataLoader(SimpleDataset([1, 2]).transform({transform}), 1, num_workers=2):
        print(batch.asnumpy())

{guard}main()
"""


def script(folder: Path, transform: str, guard: str) -> list[str]:
    path = folder / "script.py"
    path.write_text(SCRIPT.format(transform=transform, guard=guard))
    return [sys.executable, str(path)]


def test_a_script_without_its_guard_is_told_in_one_line(tmp_path: Path) -> None:
    run = subprocess.run(script(tmp_path, "float", ""), capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.count("Traceback") == 1
    assert run.stderr.splitlines()[-1] == (
        "nnc.errors.WorkerError: DataLoader: worker processes import the script that starts them, "
        "and this one starts them when it is imported; put what runs below "
        "`if __name__ == '__main__':`, or use thread_pool=True, which needs no processes"
    )


def test_what_a_worker_does_not_find() -> None:
    """As where functions are typed in, not read from a file. The second time is like the first."""
    code = (
        "from nnc.gluon.data import DataLoader, SimpleDataset\n"
        "class Index(int): pass\n"
        "def same(x): return x\n"
        "dataset = SimpleDataset([1])\n"
        "of_functions = DataLoader(dataset.transform(same), 1, num_workers=1)\n"
        "of_indices = DataLoader(dataset, 1, sampler=[Index()], num_workers=1)\n"
        "for loader in of_functions, of_functions, of_indices:\n"
        "    try: list(loader)\n"
        "    except Exception as error: print(type(error).__name__, error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    *functions, indices = run.stdout.splitlines()
    assert len(functions) == 2
    for line in functions:
        assert line.startswith(
            "WorkerError DataLoader: a worker process does not find what the dataset is made of: "
            "Can't get attribute 'same' on"
        )
    assert indices == (
        "WorkerError DataLoader: a worker process ended while it read samples 0; what it said is "
        "above"
    )
    assert "Can't get attribute 'Index' on" in run.stderr


def test_a_fork_has_workers_of_its_own() -> None:
    code = (
        "import multiprocessing, numpy as np\n"
        "from nnc.errors import WorkerError\n"
        "from nnc.gluon.data import DataLoader\n"
        "loader = DataLoader(np.arange(4.0), 2, num_workers=1)\n"
        "begun = iter(DataLoader(np.arange(4.0), 2, prefetch=1))\n"
        "next(begun)\n"
        "def check():\n"
        "    assert [batch.asnumpy().tolist() for batch in loader] == [[0, 1], [2, 3]]\n"
        "check()\n"
        "def check_fork():\n"
        "    check()\n"
        "    try: print(list(begun))\n"
        "    except WorkerError as error: assert 'before a fork' in str(error)\n"
        "    else: assert False\n"
        "child = multiprocessing.get_context('fork').Process(target=check_fork)\n"
        "child.start()\n"
        "check()\n"
        "child.join()\n"
        "assert child.exitcode == 0\n"
        "check()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr


def hearing_ctrl_c(command: list[str]) -> subprocess.Popen[str]:
    """A program in a session of its own.

    Whoever runs the tests in the background has Ctrl-C ignored, and so would their children.
    """
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_no_worker_outlives_its_program(tmp_path: Path, sent: signal.Signals) -> None:
    """Ctrl-C is one traceback, at once; after a kill -9 the workers end by themselves."""
    command = script(tmp_path, "slow", "if __name__ == '__main__': ")
    with hearing_ctrl_c(command) as program:
        assert program.stdout is not None
        for _ in range(2):  # One that still starts has not come to ignore Ctrl-C.
            assert program.stdout.readline() == "reading\n"
        started = psutil.Process(program.pid).children(recursive=True)
        assert len(started) >= 4
        os.killpg(program.pid, sent) if sent == signal.SIGINT else program.send_signal(sent)
        _, errors = program.communicate(timeout=20)
    assert errors.count("Traceback") == (sent == signal.SIGINT)
    assert not [process for process in started if not ends(process)]


BEGINNING = """
import multiprocessing, os, signal
import numpy as np
from nnc.gluon.data import DataLoader

def wait():
    os.write(1, b"waiting\\n")
    signal.pause()

if __name__ == "__main__":
    loader = DataLoader(np.arange(4.0), 2, num_workers=1)
    multiprocessing.get_context("{method}").Process(target=wait).start()
    list(loader)
    signal.pause()
"""


@pytest.mark.parametrize(("method", "seconds"), [("fork", 0.5), ("forkserver", 0)])
def test_the_server_leaves_ctrl_c_to_others(tmp_path: Path, method: str, seconds: float) -> None:
    """While it imports it is silent; what it forks for others hears Ctrl-C as what others fork."""
    path = tmp_path / "script.py"
    path.write_text(BEGINNING.format(method=method))
    with hearing_ctrl_c([sys.executable, str(path)]) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "waiting\n"
        time.sleep(seconds)
        os.killpg(program.pid, signal.SIGINT)
        _, errors = program.communicate(timeout=20)
    assert errors.count("Traceback") == 2, errors


def ends(process: psutil.Process) -> bool:
    """Whether a process ends within a while; it may be that nobody asks how it ended."""
    for _ in range(100):
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


FORKING = """
import os, time
import numpy as np
from nnc.gluon.data import DataLoader

batches = iter(DataLoader(np.arange(4.0), 1, num_workers=1))
next(batches)
if os.fork():
    print("forked", flush=True)
time.sleep(60)
"""


def test_no_worker_outlives_its_program_even_if_a_fork_of_it_lives_on() -> None:
    """The fork has all that the program had open, also what workers would else see the end of."""
    with subprocess.Popen([sys.executable, "-c", FORKING], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"forked\n"
        children = psutil.Process(program.pid).children()
        [worker] = [one for child in children for one in child.children()]
        program.kill()
    try:
        assert ends(worker)
    finally:
        for child in children:  # Among them is the fork.
            child.kill()


def test_a_program_ends_while_a_thread_hangs() -> None:
    code = (
        "import time\n"
        "from nnc.gluon.data import DataLoader, SimpleDataset\n"
        "dataset = SimpleDataset([60]).transform(time.sleep)\n"
        "list(DataLoader(dataset, 1, num_workers=1, thread_pool=True, timeout=0.1))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert "took longer than timeout=0.1 s" in run.stderr
