#!/usr/bin/env python3
"""Images/s and memory of training the seed CNN, or another built-in network: fer-ddp against PyTorch and Keras, in one interleaved run (A B A B), since only ratios
measured side by side say anything on a shared machine.

Usage: training.py --fer-ddp build/release/bin/fer-ddp --python PYTHON [--csv fer2013.csv] [--rounds 3] [--model vgg8_16]

PYTHON has torch, and keras with tensorflow (without those, Keras is left out). The CSV defaults to $FER2013_CSV; without one fer-ddp
trains on synthetic faces. Other networks than the seed CNN train on 2,560 of those, by both kinds of PyTorch alone, and bf16 is among its
settings; where the processor has AMX, fer-ddp at bf16 as well. The peers train on random images, whose content does not matter to them. "Best setting" of PyTorch is
channels_last, with glibc kept from giving memory back to the system.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile

from processes import KEEP_MEMORY, fer_ddp_command, peak_memory, timed

HERE = pathlib.Path(__file__).resolve().parent


class Contest:
    def __init__(self, options, folder: pathlib.Path):
        self.options, self.folder = options, folder
        self.is_seed_cnn = options.model == "seed_cnn"
        csv = options.csv if self.is_seed_cnn else None
        if not csv:
            csv = folder / "faces.csv"
            timed([options.fer_ddp, "synthesize", csv, "--images", "12000" if self.is_seed_cnn else "2560"])
        timed([options.fer_ddp, "preprocess", csv, folder / "shards"])

    def command(self, ranks: int, threads: int, step: str, precision: str = "fp32") -> list:
        experiment = self.folder / "bench.json"
        experiment.write_text(json.dumps({"data": str(self.folder / "shards"), "output": str(self.folder / "run"), "epochs": 2,
                                          "batch_size": 128, "threads": threads, "step": step, "precision": precision, "model": self.options.model}))
        return fer_ddp_command(self.options.fer_ddp, ranks, "--config", experiment, "--overwrite")

    def fer_ddp(self, ranks: int, threads: int, step: str = "auto", precision: str = "fp32") -> float:
        """Of the second epoch; the first one warms up."""
        timed(self.command(ranks, threads, step, precision))
        return float((self.folder / "run" / "history.csv").read_text().splitlines()[-1].split(",")[-1])

    def peer(self, command: list, **environment) -> tuple:
        found = re.search(r"images_per_second=(\d+) peak_mib=(\d+)", timed(command, **environment)[1])
        return float(found.group(1)), float(found.group(2))

    def torch(self, ranks: int, *arguments, **environment) -> tuple:
        script = HERE / "peers" / "train_torch.py"
        launcher = [script] if ranks == 1 else ["-m", "torch.distributed.run", "--nproc-per-node", ranks, script]
        threads = str(2 // ranks)
        if not self.is_seed_cnn:
            table = HERE.parent.parent / "launcher" / "networks" / f"{self.options.model}.json"
            arguments += ("--table", table, "--steps", 8, "--warm-up", 2)
        return self.peer([self.options.python, *launcher, "--threads", threads, *arguments], OMP_NUM_THREADS=threads, **environment)

    def keras(self) -> tuple:
        return self.peer([self.options.python, HERE / "peers" / "train_keras.py"])


def has_amx() -> bool:
    with open("/proc/cpuinfo") as file:
        return " amx_bf16" in file.read()


def has_keras(python: str) -> bool:
    return subprocess.run([python, "-c", "import keras, tensorflow"], capture_output=True).returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer-ddp", default=str(HERE.parent.parent / "build" / "release" / "bin" / "fer-ddp"))
    parser.add_argument("--python", required=True)
    parser.add_argument("--csv", default=os.environ.get("FER2013_CSV"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="seed_cnn", help="a built-in network")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        contest = Contest(options, pathlib.Path(name))
        ours = {"fer-ddp, 1 rank x 2 threads": lambda: contest.fer_ddp(1, 2),
                "fer-ddp, 2 ranks x 1 thread": lambda: contest.fer_ddp(2, 1)}
        memory = {title: peak_memory(contest.command(ranks, 2 // ranks, "auto"), options.fer_ddp, ranks) for title, ranks in zip(ours, (1, 2))}
        others = {"fer-ddp, 1 rank x 1 thread": ("2 ranks", lambda: (contest.fer_ddp(1, 1), 0)),
                  "fer-ddp, step autograd, 1 x 2": ("1 rank", lambda: (contest.fer_ddp(1, 2, "autograd"), 0)),
                  "PyTorch eager as written, 1 x 2": ("1 rank", lambda: contest.torch(1)),
                  "PyTorch best setting, 1 x 2": ("1 rank", lambda: contest.torch(1, "--channels-last", **KEEP_MEMORY)),
                  "PyTorch DDP gloo as written, 2 x 1": ("2 ranks", lambda: contest.torch(2))}
        if not contest.is_seed_cnn:
            if has_amx():
                title = "fer-ddp bf16, 1 rank x 2 threads"
                ours[title] = lambda: contest.fer_ddp(1, 2, precision="bf16")
                memory[title] = peak_memory(contest.command(1, 2, "auto", "bf16"), options.fer_ddp, 1)
            best = ("--channels-last",)
            others = {"PyTorch fp32 as written, 1 x 2": ("1 rank", lambda: contest.torch(1)),
                      "PyTorch fp32 best setting, 1 x 2": ("1 rank", lambda: contest.torch(1, *best, **KEEP_MEMORY)),
                      "PyTorch bf16 best setting, 1 x 2": ("bf16" if has_amx() else "1 rank", lambda: contest.torch(1, *best, "--bf16", **KEEP_MEMORY))}
        elif has_keras(options.python):
            others["Keras, 1 x 2"] = ("1 rank", contest.keras)
        speeds = {title: [] for title in [*ours, *others]}
        peaks = {}
        for _ in range(options.rounds):
            for title, measure in ours.items():
                speeds[title].append(measure())
            for title, (_, measure) in others.items():
                speed, peaks[title] = measure()
                speeds[title].append(speed)
    print(f"| {'':34} | images/s | least | most | MiB a process | fer-ddp is x times as fast |")
    print(f"|{'-' * 36}|---|---|---|---|---|")
    for title in ours:
        resident, fair = memory[title]
        print_row(title, speeds[title], f"{fair:.0f} ({resident:.0f} resident)", "")
    for title, (rival, _) in others.items():
        best = next(mine for mine in ours if rival in mine)
        # Of each round by itself, then the median: what the machine did meanwhile met both.
        ratio = statistics.median(a / b for a, b in zip(speeds[best], speeds[title]))
        print_row(title, speeds[title], f"{peaks[title]:.0f}" if peaks[title] else "", f"{ratio:.2f} ({rival})")


def print_row(title: str, speeds: list, memory: str, ratio: str) -> None:
    print(f"| {title:34} | {statistics.median(speeds):,.0f} | {min(speeds):,.0f} | {max(speeds):,.0f} | {memory} | {ratio} |")


main()
