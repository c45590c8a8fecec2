#!/usr/bin/env python3
"""What it takes to start: whole commands that train one step on two ranks, fer-ddp against PyTorch DDP under torchrun, interleaved.
fer-ddp also checks and loads its shards, evaluates, and writes a checkpoint, the weights and its report in that time.

Usage: start.py --python PYTHON_WITH_TORCH [--fer-ddp PROGRAM] [--rounds 5]
"""
import argparse
import json
import pathlib
import statistics
import tempfile

from processes import fer_ddp_command, timed

HERE = pathlib.Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer-ddp", default=str(HERE.parent.parent / "build" / "release" / "bin" / "fer-ddp"))
    parser.add_argument("--python", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    seconds = {"fer-ddp": [], "torchrun": []}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        timed([options.fer_ddp, "synthesize", folder / "faces.csv", "--images", "182"])
        timed([options.fer_ddp, "preprocess", folder / "faces.csv", folder / "shards"])
        experiment = folder / "one_step.json"
        experiment.write_text(json.dumps({"data": str(folder / "shards"), "output": str(folder / "run"), "epochs": 1, "batch_size": 128}))
        for _ in range(options.rounds):
            seconds["fer-ddp"].append(timed(fer_ddp_command(options.fer_ddp, 2, "--config", experiment, "--overwrite"))[0])
            seconds["torchrun"].append(timed([options.python, "-m", "torch.distributed.run", "--nproc-per-node", "2",
                                              HERE / "peers" / "train_torch.py", "--threads", "1", "--steps", "1", "--warm-up", "0"],
                                             OMP_NUM_THREADS="1")[0])
    for title, runs in seconds.items():
        print(f"{title:10} {statistics.median(runs):6.2f} s ({min(runs):.2f} to {max(runs):.2f})")
    ratio = statistics.median(theirs / ours for ours, theirs in zip(seconds["fer-ddp"], seconds["torchrun"]))
    print(f"fer-ddp starts in 1 / {ratio:.1f} of the time")


main()
