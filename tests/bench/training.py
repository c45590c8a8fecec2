#!/usr/bin/env python3
"""Images/s and memory of training the seed CNN: fer-ddp against PyTorch, in one interleaved run (A B A B), since only ratios measured
side by side say anything on a shared machine.

Usage: training.py --fer-ddp build/release/bin/fer-ddp --python PYTHON_WITH_TORCH [--rounds 3]
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def fer_ddp(program: str, shards: pathlib.Path, folder: pathlib.Path, ranks: int) -> tuple:
    """(images/s, peak MiB of a rank) of the second epoch; the first one warms up."""
    experiment = folder / "bench.json"
    experiment.write_text(json.dumps({"data": str(shards), "output": str(folder / "run"), "epochs": 2, "batch_size": 128}))
    command = ["mpirun", "--bind-to", "none", "-n", str(ranks), program, "--config", str(experiment), "--overwrite"]
    done = subprocess.run(["/usr/bin/time", "-f", "peak_kib=%M", *command], env=ROOT, capture_output=True, text=True, check=True)
    last = (folder / "run" / "history.csv").read_text().splitlines()[-1]
    return float(last.split(",")[-1]), int(re.search(r"peak_kib=(\d+)", done.stderr).group(1)) / 1024


def torch(python: str, ranks: int, *options: str) -> tuple:
    script = str(HERE / "peers" / "train_torch.py")
    launcher = [python, script] if ranks == 1 else [python, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), script]
    threads = str(2 // ranks)
    done = subprocess.run([*launcher, "--threads", threads, *options], env={**os.environ, "OMP_NUM_THREADS": threads},
                          capture_output=True, text=True, check=True)
    found = re.search(r"images_per_second=(\d+) peak_mib=(\d+)", done.stdout)
    return float(found.group(1)), float(found.group(2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fer-ddp", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([options.fer_ddp, "synthesize", folder / "faces.csv", "--images", "8000"], check=True)
        subprocess.run([options.fer_ddp, "preprocess", folder / "faces.csv", folder / "shards"], check=True, stdout=subprocess.DEVNULL)
        contenders = {
            "fer-ddp, 2 ranks x 1 thread": lambda: fer_ddp(options.fer_ddp, folder / "shards", folder, 2),
            "PyTorch DDP gloo, 2 x 1": lambda: torch(options.python, 2),
            "PyTorch DDP gloo, 2 x 1, channels_last": lambda: torch(options.python, 2, "--channels-last"),
            "fer-ddp, 1 rank x 2 threads": lambda: fer_ddp(options.fer_ddp, folder / "shards", folder, 1),
            "PyTorch eager, 1 x 2": lambda: torch(options.python, 1),
            "PyTorch eager, 1 x 2, channels_last": lambda: torch(options.python, 1, "--channels-last"),
        }
        results = {title: [] for title in contenders}
        for _ in range(options.rounds):
            for title, measure in contenders.items():
                results[title].append(measure())
    medians = {title: statistics.median(speed for speed, _ in runs) for title, runs in results.items()}
    print(f"{'':42}{'images/s':>9}{'min':>7}{'max':>7}{'MiB':>6}   fer-ddp is x times as fast")
    for title, runs in results.items():
        ours = medians[[other for other in contenders if other.startswith("fer-ddp") and other.split(", ")[1][0] == title.split(", ")[1][0]][0]]
        speeds = [speed for speed, _ in runs]
        print(f"{title:42}{medians[title]:9.0f}{min(speeds):7.0f}{max(speeds):7.0f}{max(peak for _, peak in runs):6.0f}"
              f"{ours / medians[title]:12.2f}")


main()
