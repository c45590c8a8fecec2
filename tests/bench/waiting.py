#!/usr/bin/env python3
"""What the waiting of a rank's threads for each other costs, alone and where others want the cores too: a run of as many threads as there are
cores, by itself, beside a process that keeps one core busy, and beside a second such run. The threads spin before they sleep: as briefly as
fer-ddp sets it, as long as libgomp would by itself, and not at all. All in turns; ratios are of each round, then the median.

Usage: waiting.py [--fer-ddp PROGRAM] [--images 6000] [--epochs 4] [--rounds 3]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from processes import AS_ROOT, timed

HERE = pathlib.Path(__file__).resolve().parent
OURS = "as fer-ddp sets it"
# libgomp's own number, where neither variable is set (libgomp/env.c).
SPINNING = {OURS: {}, "300,000 turns, libgomp's own": {"GOMP_SPINCOUNT": "300000"}, "none": {"OMP_WAIT_POLICY": "passive"}}


class Runs:
    def __init__(self, options: argparse.Namespace, folder: pathlib.Path) -> None:
        self.options, self.folder = options, folder
        timed([options.fer_ddp, "synthesize", folder / "faces.csv", "--images", options.images])
        timed([options.fer_ddp, "preprocess", folder / "faces.csv", folder / "shards"])

    def start(self, name: str, spinning: dict) -> subprocess.Popen:
        experiment = self.folder / f"{name}.json"
        experiment.write_text(json.dumps({"data": str(self.folder / "shards"), "output": str(self.folder / name), "epochs": self.options.epochs,
                                          "batch_size": 128, "device": "cpu", "threads": len(os.sched_getaffinity(0)), "status_address": None}))
        free = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
        return subprocess.Popen([self.options.fer_ddp, "--config", str(experiment), "--overwrite"], env={**free, **AS_ROOT, **spinning},
                                stderr=subprocess.PIPE, text=True)

    def seconds(self, spinning: dict, runs: int) -> float:
        """Until the last of them has ended."""
        begin = time.perf_counter()
        for process in [self.start(f"run{number}", spinning) for number in range(runs)]:
            errors = process.communicate()[1]
            if process.returncode != 0:
                sys.exit(errors)
        return time.perf_counter() - begin

    def beside_a_busy_process(self, spinning: dict) -> float:
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            return self.seconds(spinning, 1)
        finally:
            busy.kill()
            busy.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer-ddp", default=str(HERE.parent.parent / "build" / "release" / "bin" / "fer-ddp"))
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        runs = Runs(options, pathlib.Path(name))
        company = {"alone": lambda spinning: runs.seconds(spinning, 1),
                   "beside a busy process": runs.beside_a_busy_process,
                   "two runs at once": lambda spinning: runs.seconds(spinning, 2)}
        found = {title: {kind: [] for kind in SPINNING} for title in company}
        for _ in range(options.rounds):
            for title, measure in company.items():
                for kind, spinning in SPINNING.items():
                    found[title][kind].append(measure(spinning))
    print(f"| {'':22} | {'spinning':30} | seconds | least | most | x fer-ddp's |\n|---|---|---|---|---|---|")
    for title, kinds in found.items():
        for kind, seconds in kinds.items():
            ratio = statistics.median(theirs / ours for ours, theirs in zip(kinds[OURS], seconds))
            print(f"| {title:22} | {kind:30} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | {max(seconds):.2f} | {ratio:.2f} |")


main()
