#!/usr/bin/env python3
"""What augmentation costs the fused step: images/s of the study's network with augment full, and with mixup as well, as a share of those
without, in one interleaved run (A B C A B C), since only ratios measured side by side say anything on a shared machine. Each round's
ratio is taken first, then the median of them. Exits with 1 where a median lies below the bar, 85 %.

Usage: augmentation.py [--fer-ddp PROGRAM] [--images 6000] [--epochs 3] [--rounds 5] [--threads 2]
"""
import argparse
import csv
import json
import pathlib
import statistics
import sys
import tempfile

from processes import timed

HERE = pathlib.Path(__file__).resolve().parent
BAR = 0.85
KINDS = {"none": {}, "full": {"augment": "full"}, "full, mixup 0.4": {"augment": "full", "augment_mixup": 0.4}}


def images_per_second(options: argparse.Namespace, folder: pathlib.Path, keys: dict) -> float:
    """Of the quickest epoch: others on the machine only ever slow one down."""
    experiment = folder / "exp.json"
    experiment.write_text(json.dumps({"data": str(folder / "shards"), "output": str(folder / "run"), "epochs": options.epochs, "step": "fused",
                                      "device": "cpu", "threads": options.threads, "status_address": None, **keys}))
    timed([options.fer_ddp, "--config", experiment, "--overwrite"])
    with open(folder / "run" / "history.csv", newline="") as file:
        return max(float(row["images_per_second"]) for row in csv.DictReader(file))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer-ddp", default=str(HERE.parent.parent / "build" / "release" / "bin" / "fer-ddp"))
    parser.add_argument("--images", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        timed([options.fer_ddp, "synthesize", folder / "faces.csv", "--images", options.images])
        timed([options.fer_ddp, "preprocess", folder / "faces.csv", folder / "shards"])
        rates = [{kind: images_per_second(options, folder, keys) for kind, keys in KINDS.items()} for _ in range(options.rounds)]
    slowest = 1.0
    for kind in KINDS:
        shares = [rate[kind] / rate["none"] for rate in rates]
        slowest = min(slowest, statistics.median(shares))
        print(f"{kind:16} {statistics.median(rate[kind] for rate in rates):9,.0f} images/s  {100 * statistics.median(shares):5.1f} % of none "
              f"({100 * min(shares):.1f} to {100 * max(shares):.1f})")
    return 0 if slowest >= BAR else 1


sys.exit(main())
