#!/usr/bin/env python3
"""How much faster `fer-ddp preprocess` is than the way it is done in Python.

Runs fer-ddp, alone and on two ranks, and the Python peer (peers/preprocess_pandas.py, its usual and its fast form) in turns, A B C D
A B C D, so that whatever else the machine does meets all of them, and prints the median wall-clock time of each whole command, start of
Python or of mpirun included, the ratios to fer-ddp alone, and the largest resident memory of any one process. fer-ddp also splits, syncs
and reads back what it wrote; the peer does not.

    preprocess.py [--csv FILE] [--fer-ddp PROGRAM] [--python PYTHON] [--ranks N] [--rounds N]

PYTHON needs pandas and h5py. FILE defaults to $FER2013_CSV.
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PEER = HERE / "peers" / "preprocess_pandas.py"
DEFAULT_PROGRAM = HERE.parent.parent / "build" / "release" / "bin" / "fer-ddp"


def measure(command):
    """Seconds of wall-clock time, and bytes of the largest process among the command and its descendants."""
    environment = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{errors.decode(errors='replace')}")
    return seconds, usage.ru_maxrss * 1024


def contestants(arguments, folder):
    mpirun = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(arguments.ranks)]
    peer = [arguments.python, str(PEER), arguments.csv, str(folder / "peer.h5")]
    shards = str(folder / "shards")
    ours = [arguments.fer_ddp, "preprocess", arguments.csv, shards, "--overwrite"]
    return {
        "fer-ddp": ours,
        f"fer-ddp, {arguments.ranks} ranks": mpirun + ours,
        "pandas, usual form": peer,
        "pandas, fast form": peer + ["--fast"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", default=os.environ.get("FER2013_CSV"))
    parser.add_argument("--fer-ddp", default=str(DEFAULT_PROGRAM))
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if not arguments.csv:
        parser.error("give --csv, or set FER2013_CSV to the path of fer2013.csv")

    with tempfile.TemporaryDirectory() as name:
        commands = contestants(arguments, pathlib.Path(name))
        results = {contestant: [] for contestant in commands}
        for _ in range(arguments.rounds):
            for contestant, command in commands.items():
                results[contestant].append(measure(command))

    medians = {contestant: statistics.median(seconds for seconds, _ in runs) for contestant, runs in results.items()}
    ours = next(iter(medians.values()))
    megabytes = os.path.getsize(arguments.csv) / 1e6
    print(f"{'':<20}{'median':>9}{'least':>9}{'most':>9}{'MB/s':>8}{'ratio':>8}{'peak memory':>14}")
    for contestant, runs in results.items():
        seconds = [run[0] for run in runs]
        median = medians[contestant]
        peak = max(memory for _, memory in runs) / 1e6
        print(f"{contestant:<20}{median:>7.2f} s{min(seconds):>7.2f} s{max(seconds):>7.2f} s{megabytes / median:>8.0f}"
              f"{median / ours:>7.1f}x{peak:>11.0f} MB")


if __name__ == "__main__":
    main()
