#!/usr/bin/env python3
"""What watchers cost the training step: one run on one rank, epochs with and without them in turns, and the ratio of their images/s as
history.csv has them (time spent training alone). The watchers run on the last core, training on the others' number of threads, as
watchers sit on other machines in earnest.

Usage: watchers.py --fer-ddp build/release/bin/fer-ddp --python PYTHON_WITH_GRPCIO [--watchers 1000] [--rounds 10] [--threads CORES-1]
"""
import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

WATCH = pathlib.Path(__file__).resolve().parent / "peers" / "watch_status.py"
CORES = sorted(os.sched_getaffinity(0))


class LiveRun:
    """A run that trains until it is left."""

    def __init__(self, program: str, folder: pathlib.Path, images: int, threads: int) -> None:
        subprocess.run([program, "synthesize", folder / "faces.csv", "--images", str(images)], check=True)
        experiment = folder / "watched.json"
        experiment.write_text(json.dumps({
            "data": str(folder / "faces.csv"), "output": str(folder / "run"), "epochs": 1000000, "early_stopping_patience": None,
            "checkpoint_every_epochs": None, "threads": threads}))
        self.folder = folder / "run"
        self.process = subprocess.Popen([program, "--config", str(experiment)], stderr=subprocess.DEVNULL)
        while not (self.folder / "status.json").exists():
            self.require_life()
        self.address = json.loads((self.folder / "status.json").read_text())["address"]

    def require_life(self) -> None:
        if self.process.poll() is not None:
            raise SystemExit("error: the run ended by itself; see its log.jsonl")
        time.sleep(0.1)

    def speeds(self) -> list:
        with open(self.folder / "history.csv", newline="") as file:
            return [float(row["images_per_second"]) for row in csv.DictReader(file)]

    def next_whole_epoch(self) -> float:
        """Images/s of the first epoch that begins after this call."""
        wanted = len(self.speeds()) + 2
        while len(self.speeds()) < wanted:
            self.require_life()
        return self.speeds()[wanted - 1]

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


def watched_epoch(run: LiveRun, python: str, watchers: int) -> tuple:
    """(images/s of an epoch that all the watchers see, messages a second to all of them)."""
    start = time.monotonic()
    command = ["taskset", "-c", str(CORES[-1]), python, str(WATCH), run.address, str(watchers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        if client.stdout.readline() != "watching\n":
            raise SystemExit("error: the watchers did not come in; does --python have grpcio, and `ulimit -n` room for them?")
        speed = run.next_whole_epoch()
        client.terminate()
        messages = int(client.stdout.readline())
    return speed, messages / (time.monotonic() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fer-ddp", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--images", type=int, default=8000)
    parser.add_argument("--threads", type=int, default=max(1, len(CORES) - 1))
    options = parser.parse_args()
    alone, watched, rates = [], [], []
    with tempfile.TemporaryDirectory() as name:
        run = LiveRun(options.fer_ddp, pathlib.Path(name), options.images, options.threads)
        try:
            run.next_whole_epoch()  # the first one warms up
            for _ in range(options.rounds):
                alone.append(run.next_whole_epoch())
                speed, rate = watched_epoch(run, options.python, options.watchers)
                watched.append(speed)
                rates.append(rate)
        finally:
            run.end()
    ratios = [a / b for a, b in zip(alone, watched)]
    print(f"{len(CORES)} cores, {options.threads} training threads, {options.rounds} rounds")
    print(f"nobody watches          {statistics.median(alone):8.0f} images/s  ({min(alone):.0f} to {max(alone):.0f})")
    print(f"{options.watchers:5} watchers          {statistics.median(watched):8.0f} images/s  ({min(watched):.0f} to {max(watched):.0f}), "
          f"{statistics.median(rates):.0f} messages/s")
    print(f"step time, watched / alone {statistics.median(ratios):.4f}  ({min(ratios):.4f} to {max(ratios):.4f})")


main()
