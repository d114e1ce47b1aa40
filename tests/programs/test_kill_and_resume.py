"""A training that is killed at random moments ends with the bits of one that is not.

`make kill-test` kills it 50 times, or KILLS=n; the default suite does so 3 times.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from nnc import checkpoint

PROGRAM = Path(__file__).parents[1] / "support/killed_training.py"
KILLS = int(os.environ.get("KILLS", "3"))
ENDLESS = 1_000_000
STARTING = 0.2
"""How many of the processes are killed while they start."""


def started(folder: Path, steps: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "NNC_CACHE": str(folder.parent / "cache")}
    command = [sys.executable, str(PROGRAM), str(folder), str(steps)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def finished(folder: Path, steps: int) -> str:
    """The digest of a training that nothing stops."""
    folder.mkdir(exist_ok=True)
    with started(folder, steps) as process:
        assert process.wait() == 0
    return (folder / "result").read_text()


def kill(process: subprocess.Popen[str], output: IO[str], chance: random.Random) -> None:
    """SIGKILL while the process starts, or in one of its first steps."""
    if chance.random() < STARTING:
        time.sleep(chance.uniform(0, 2))
    else:
        assert output.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.3))
    process.kill()
    process.wait()


def steps_in(folder: Path) -> int:
    """The last of the checkpoints, all of which must be whole."""
    files = checkpoint.Checkpoints(folder / "run").files()
    return max((len(checkpoint.load(file)["losses"]) for file in files), default=0)


def test_a_killed_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    folder, chance = tmp_path / "killed", random.Random(os.environ.get("SEED", "0"))
    folder.mkdir()
    unfinished, reached = 0, [0]
    for _ in range(KILLS):
        with started(folder, ENDLESS) as process:
            assert process.stdout is not None
            kill(process, process.stdout, chance)
        reached.append(steps_in(folder))
        assert reached[-1] >= reached[-2]
        unfinished += any((folder / "run").glob(".*.partial"))
    steps = reached[-1] + 5
    print(f"killed {KILLS} times, {unfinished} while writing, after steps {reached[1:]}")
    assert finished(folder, steps) == finished(tmp_path / "undisturbed", steps)
    assert not list((folder / "run").glob(".*"))
