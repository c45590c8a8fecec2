#!/usr/bin/env python3
"""Memory of a rank that runs on the CPU: the executable alone, against one that has everything linked to it (the CUDA plug-in, LibTorch's
CUDA half and NVIDIA's libraries, loaded at start by LD_PRELOAD). In turns (A B A B); peak resident memory, as the kernel counts it.

Resident memory includes pages of library files, which the ranks of a node share; "own" leaves those out (private pages of one rank, read
from /proc/PID/smaps_rollup when it has trained its first steps).

Usage: memory.py --fer-ddp build/release/bin/fer-ddp [--rounds 3]
Needs libfer_ddp_cuda.so beside it: cluster/setup/install_dependencies --cuda --cuda-runtime, then a build. No GPU is needed.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time


def peak_mib(command: list, environment: dict) -> float:
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, command))} exited with {process.returncode}")
    return usage.ru_maxrss / 1024


def own_mib(command: list, environment: dict, run: pathlib.Path) -> float:
    """Of a run that is then stopped: once its first epoch is in the history."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    history = run / "history.csv"
    deadline = time.monotonic() + 120
    while not history.exists() or len(history.read_text().splitlines()) < 2:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            sys.exit(f"error: {' '.join(map(str, command))} did not train an epoch")
        time.sleep(0.05)
    rollup = pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    process.kill()
    process.wait()
    return sum(int(kib) for kib in re.findall(r"^Private_\w+: +(\d+) kB", rollup, re.MULTILINE)) / 1024


def experiment(folder: pathlib.Path, run: pathlib.Path, epochs: int) -> pathlib.Path:
    path = folder / "experiment.json"
    path.write_text(json.dumps({"data": str(folder / "shards"), "output": str(run), "epochs": epochs, "device": "cpu"}))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer-ddp", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    program = options.fer_ddp.resolve()
    plugin = program.parent / "libfer_ddp_cuda.so"
    if not plugin.exists():
        sys.exit(f"error: {plugin} is not there\n  cluster/setup/install_dependencies --cuda --cuda-runtime, then build again.")
    if subprocess.run(["ldd", plugin], capture_output=True, text=True, check=True).stdout.count("not found"):
        sys.exit("error: the CUDA libraries are not there\n  cluster/setup/install_dependencies --cuda-runtime fetches them.")
    contenders = {"the executable alone": dict(os.environ), "all linked to it": {**os.environ, "LD_PRELOAD": str(plugin)}}
    results = {title: ([], [], []) for title in contenders}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([program, "synthesize", folder / "faces.csv", "--images", "2000"], check=True)
        subprocess.run([program, "preprocess", folder / "faces.csv", folder / "shards"], check=True, stdout=subprocess.DEVNULL)
        for round_number in range(options.rounds):
            for number, (title, environment) in enumerate(contenders.items()):
                run = folder / f"run-{round_number}-{number}"
                start, peak, own = results[title]
                start.append(peak_mib([program, "--version"], environment))
                peak.append(peak_mib([program, "--config", experiment(folder, run / "short", 1)], environment))
                own.append(own_mib([program, "--config", experiment(folder, run / "stopped", 1000)], environment, run / "stopped"))
    print("| one CPU rank, MiB | at start | training, peak | training, own |\n|---|---|---|---|")
    for title, figures in results.items():
        print(f"| {title} | {' | '.join(f'{statistics.median(values):.0f}' for values in figures)} |")


main()
