#!/usr/bin/env python3
"""What it takes to start: a command that computes nothing, beside an empty program and an empty Python; then whole commands that train one
step on two ranks, fer-ddp against PyTorch DDP under torchrun. All interleaved. fer-ddp also checks and loads its shards, evaluates, and
writes a checkpoint, the weights and its report in that time.

Usage: start.py [--python PYTHON_WITH_TORCH] [--fer-ddp PROGRAM] [--rounds 5]

Without --python nothing is trained.
"""
import argparse
import json
import pathlib
import statistics
import tempfile

from processes import fer_ddp_command, timed

HERE = pathlib.Path(__file__).resolve().parent


def compare_empty_commands(program: str, rounds: int) -> None:
    commands = {"fer-ddp --version": [program, "--version"], "/bin/true": ["/bin/true"], "python3 -c pass": ["python3", "-c", "pass"]}
    milliseconds = {title: [] for title in commands}
    for _ in range(rounds):
        for title, command in commands.items():
            milliseconds[title].append(1000 * timed(command)[0])
    for title, runs in milliseconds.items():
        print(f"{title:18} {statistics.median(runs):6.1f} ms ({min(runs):.1f} to {max(runs):.1f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer-ddp", default=str(HERE.parent.parent / "build" / "release" / "bin" / "fer-ddp"))
    parser.add_argument("--python")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    compare_empty_commands(options.fer_ddp, 10 * options.rounds)
    if not options.python:
        return
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
