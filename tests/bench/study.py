#!/usr/bin/env python3
"""The study's four experiments on the real file, over several seeds, at the batch that its table says (128) and the one that its code fed
(32): what holds up, and what was luck. Prints the table of docs/study.md.

Usage: study.py FOLDER [--csv fer2013.csv] [--fer-ddp PROGRAM] [--seeds 0 1 2 3 4] [--batches 128 32] [--at-once 1] [--threads 0]

Each run keeps its folder in FOLDER; the same line goes on where it was stopped. The figures are the same at any number of threads.
Experiment 3 is not trained: it is experiment 2 that ends with its last weights, and result.json has their test beside that of the best.
"""
import argparse
import concurrent.futures
import csv
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXPERIMENTS = ("baseline", "experiment-1", "experiment-2", "experiment-3")
TRAINED_AS = {"experiment-3": "experiment-2"}


def train(options: argparse.Namespace, shards: pathlib.Path, experiment: str, batch: int, seed: int) -> pathlib.Path:
    run = options.folder / f"{experiment}-batch-{batch}-seed-{seed}"
    if not (run / "result.json").exists():
        settings = {"data": shards, "output": run, "name": run.name, "batch_size": batch, "random_seed": seed, "threads": options.threads,
                    "status_address": "null"}
        overrides = itertools.chain.from_iterable(("--set", f"{key}={value}") for key, value in settings.items())
        command = [options.fer_ddp, "train", "--config", ROOT / "launcher" / "experiments" / f"{experiment}.json", *overrides, "--resume"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{run.name} ended with {done.returncode}:\n{done.stderr}")
    return run


def outcome(run: pathlib.Path, experiment: str) -> dict:
    history = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    result = json.loads((run / "result.json").read_text())
    accuracies = [float(epoch["val_accuracy"]) for epoch in history]
    losses = [float(epoch["val_loss"]) for epoch in history]
    test = result["test"]
    if experiment in TRAINED_AS:
        [test] = [candidate["test"] for candidate in result["candidates"] if "last_epoch" in candidate["is"]]
    return {"epochs": result["epochs_run"], "accuracy": 100 * max(accuracies), "loss": min(losses),
            "test_accuracy": 100 * test["accuracy"], "test_loss": test["loss"]}


def mean_and_spread(found: list, key: str, digits: int) -> str:
    values = [each[key] for each in found]
    spread = statistics.stdev(values) if len(values) > 1 else 0
    return f"{statistics.mean(values):.{digits}f} ± {spread:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--fer-ddp", default=str(ROOT / "build" / "release" / "bin" / "fer-ddp"))
    parser.add_argument("--csv", default=os.environ.get("FER2013_CSV"))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(5)))
    parser.add_argument("--batches", nargs="+", type=int, default=[128, 32])
    parser.add_argument("--at-once", type=int, default=1, help="runs beside each other")
    parser.add_argument("--threads", type=int, default=0, help="of a run; 0: the cores of the node")
    options = parser.parse_args()
    if not options.csv:
        parser.error("give --csv, or set FER2013_CSV to the path of fer2013.csv")
    options.folder.mkdir(parents=True, exist_ok=True)
    shards = options.folder / "shards"
    if not (shards / "manifest.json").exists():
        subprocess.run([options.fer_ddp, "preprocess", options.csv, shards], check=True, stdout=subprocess.DEVNULL)
    print("| experiment | batch | epochs | highest validation accuracy, % | lowest validation loss | test accuracy, % | test loss |")
    print("|---|---|---|---|---|---|---|", flush=True)
    with concurrent.futures.ThreadPoolExecutor(options.at_once) as pool:
        runs = {}
        for batch, experiment in itertools.product(options.batches, EXPERIMENTS):
            alike = runs.get((batch, TRAINED_AS.get(experiment)))
            runs[batch, experiment] = alike or [pool.submit(train, options, shards, experiment, batch, seed) for seed in options.seeds]
        for (batch, experiment), seeds in runs.items():
            found = [outcome(each.result(), experiment) for each in seeds]
            epochs = [each["epochs"] for each in found]
            print(f"| {experiment} | {batch} | {min(epochs)} to {max(epochs)} | {mean_and_spread(found, 'accuracy', 1)} | "
                  f"{mean_and_spread(found, 'loss', 3)} | {mean_and_spread(found, 'test_accuracy', 1)} | "
                  f"{mean_and_spread(found, 'test_loss', 3)} |", flush=True)


main()
