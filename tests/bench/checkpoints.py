#!/usr/bin/env python3
"""How long a checkpoint holds training up: the time between two epochs' events in log.jsonl that is in no epoch's `seconds`, which leave the
checkpoint and the files behind it out. Runs with a checkpoint each epoch and runs without any, and those of another build if one is given, in
turns (A B A B). What a checkpoint takes from the steps beside it shows in the images a second and in the whole run's seconds.

Usage: checkpoints.py [--fer-ddp PROGRAM] [--before PROGRAM] [--model seed_cnn] [--images 4000] [--epochs 12] [--ranks 1] [--rounds 3]
"""
import argparse
import csv
import datetime
import json
import pathlib
import statistics
import tempfile

from processes import fer_ddp_command, timed

HERE = pathlib.Path(__file__).resolve().parent


class Runs:
    def __init__(self, options: argparse.Namespace, folder: pathlib.Path) -> None:
        self.options, self.folder = options, folder
        timed([options.fer_ddp, "synthesize", folder / "faces.csv", "--images", options.images])
        timed([options.fer_ddp, "preprocess", folder / "faces.csv", folder / "shards"])

    def once(self, program: str, every_epochs) -> dict:
        output = self.folder / "run"
        experiment = self.folder / "run.json"
        experiment.write_text(json.dumps({"data": str(self.folder / "shards"), "output": str(output), "epochs": self.options.epochs,
                                          "model": self.options.model, "early_stopping_patience": None, "status_address": None,
                                          "checkpoint_every_epochs": every_epochs, "checkpoint_every_seconds": None, "device": "cpu"}))
        timed(fer_ddp_command(program, self.options.ranks, "--config", experiment, "--overwrite"))
        events = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
        told = [datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp() for event in events
                if event["event"] == "epoch"]
        with open(output / "history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        held = [1e3 * (after - before - float(row["seconds"])) for before, after, row in zip(told, told[1:], rows[1:])]
        return {"held": held, "speeds": [float(row["images_per_second"]) for row in rows[1:]], "seconds": told[-1] - told[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer-ddp", default=str(HERE.parent.parent / "build" / "release" / "bin" / "fer-ddp"))
    parser.add_argument("--before", help="another build to compare with")
    parser.add_argument("--model", default="seed_cnn")
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    kinds = {"a checkpoint each epoch": (options.fer_ddp, 1), "no checkpoints": (options.fer_ddp, None)}
    if options.before:
        kinds = {"a checkpoint each epoch, the other build": (options.before, 1), **kinds}
    found = {kind: {"held": [], "speeds": [], "seconds": []} for kind in kinds}
    with tempfile.TemporaryDirectory(dir=".") as name:
        runs = Runs(options, pathlib.Path(name).resolve())
        for _ in range(options.rounds):
            for kind, (program, every_epochs) in kinds.items():
                once = runs.once(program, every_epochs)
                found[kind]["held"] += once["held"]
                found[kind]["speeds"] += once["speeds"]
                found[kind]["seconds"].append(once["seconds"])
    print(f"{options.model}, {options.ranks} rank(s), {options.rounds} rounds of {options.epochs} epochs, on the disk of {pathlib.Path.cwd()}\n")
    print(f"| {'':40} | ms between epochs | least | most | images/s | s from the first epoch's end to the last one's |\n|---|---|---|---|---|---|")
    for kind, numbers in found.items():
        held = numbers["held"]
        print(f"| {kind:40} | {statistics.median(held):.1f} | {min(held):.1f} | {max(held):.1f} | {statistics.median(numbers['speeds']):,.0f} | "
              f"{statistics.median(numbers['seconds']):.2f} |")


main()
