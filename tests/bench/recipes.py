#!/usr/bin/env python3
"""Recipes of launcher/experiments on the real file: minutes from fer2013.csv to the test score, and the score, over several seeds; beside
them, in turns, the same recipe in PyTorch at its best setting on a CPU (bf16 autocast, channels_last, glibc kept from giving memory back).

Usage: recipes.py RECIPE... [--python PYTHON_WITH_TORCH] [--csv fer2013.csv] [--fer-ddp PROGRAM] [--seeds 0 1 2] [--ranks 1]
                 [--set KEY=VALUE ...]

Without --python the peer is left out. --set changes keys of ours, such as precision=bf16. PublicTest is what validates; PrivateTest is read once, at the end, and selects nothing.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile

from processes import KEEP_MEMORY, fer_ddp_command, timed

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def ours(options: argparse.Namespace, recipe: pathlib.Path, seed: int) -> dict:
    with tempfile.TemporaryDirectory() as name:
        run = pathlib.Path(name) / "run"
        seconds, _ = timed(fer_ddp_command(options.fer_ddp, options.ranks, "--config", recipe, "--set", f"data={options.csv}", "--set",
                                           f"output={run}", "--set", f"random_seed={seed}",
                                           *(word for key in options.set for word in ("--set", key))))
        result = json.loads((run / "result.json").read_text())
        history = (run / "history.csv").read_text().splitlines()
    columns = history[0].split(",")
    last = dict(zip(columns, history[-1].split(",")))
    return {"seconds": seconds, "validation": float(last["val_accuracy"]), "test": result["test"]["accuracy"],
            "test_without_copies": result["test"]["without_copies"]["accuracy"]}


def theirs(options: argparse.Namespace, recipe: pathlib.Path, seed: int) -> dict:
    script = pathlib.Path(__file__).parent / "peers" / "recipe_torch.py"
    _, output = timed([options.python, script, recipe, "--csv", options.csv, "--seed", seed], **KEEP_MEMORY)
    return json.loads(output.splitlines()[-1])


def print_one(title: str, seed: int, one: dict) -> None:
    """As soon as it is there: a recipe over three seeds may take an hour."""
    print(f"{title}, seed {seed}: {one['seconds']:.0f} s, {100 * one['validation']:.1f} % of PublicTest, {100 * one['test']:.1f} % of PrivateTest, "
          f"{100 * one['test_without_copies']:.1f} % without copies", file=sys.stderr, flush=True)


def print_row(title: str, found: list) -> None:
    mean = {key: statistics.mean(each[key] for each in found) for key in ("seconds", "validation", "test", "test_without_copies")}
    spread = max(each["test"] for each in found) - min(each["test"] for each in found)
    print(f"| {title} | {mean['seconds']:.0f} | {100 * mean['validation']:.1f} | {100 * mean['test']:.1f} ({100 * spread:.1f}) | "
          f"{100 * mean['test_without_copies']:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", type=pathlib.Path)
    parser.add_argument("--fer-ddp", default=str(ROOT / "build" / "release" / "bin" / "fer-ddp"))
    parser.add_argument("--python")
    parser.add_argument("--csv", default=os.environ.get("FER2013_CSV"))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--set", nargs="*", default=[])
    options = parser.parse_args()
    if not options.csv:
        parser.error("give --csv, or set FER2013_CSV to the path of fer2013.csv")
    print("| | s | PublicTest, % | PrivateTest, % (largest less smallest) | without copies, % |\n|---|---|---|---|---|", flush=True)
    for recipe in options.recipes:
        mine, peers = [], []
        for seed in options.seeds:
            mine.append(ours(options, recipe, seed))
            print_one(recipe.stem, seed, mine[-1])
            if options.python:
                peers.append(theirs(options, recipe, seed))
                print_one(f"{recipe.stem} in PyTorch", seed, peers[-1])
        print_row(f"{recipe.stem}, {len(mine)} seeds", mine)
        if peers:
            print_row("PyTorch", peers)
            print(f"PyTorch takes {statistics.median(p['seconds'] / m['seconds'] for m, p in zip(mine, peers)):.2f} times as long", flush=True)


main()
