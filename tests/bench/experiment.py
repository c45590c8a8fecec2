#!/usr/bin/env python3
"""How long the study's experiment 1 takes from fer2013.csv to the tested, restored network: fer-ddp, with its evaluation, checkpoints and
report, against Keras' own run of it. Whole commands, one after the other.

Usage: experiment.py --python PYTHON_WITH_KERAS_AND_PANDAS [--fer-ddp PROGRAM] [--csv fer2013.csv] [--ranks 2]

The two draw different first weights, so that early stopping may end them at different epochs: seconds an epoch are printed as well.
"""
import argparse
import json
import os
import pathlib
import tempfile

from processes import fer_ddp_command, timed

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXPERIMENT = ROOT / "launcher" / "experiments" / "experiment-1.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fer-ddp", default=str(ROOT / "build" / "release" / "bin" / "fer-ddp"))
    parser.add_argument("--python", required=True)
    parser.add_argument("--csv", default=os.environ.get("FER2013_CSV"))
    parser.add_argument("--ranks", type=int, default=2)
    options = parser.parse_args()
    if not options.csv:
        parser.error("give --csv, or set FER2013_CSV to the path of fer2013.csv")
    with tempfile.TemporaryDirectory() as name:
        run = pathlib.Path(name) / "run"
        ours, _ = timed(fer_ddp_command(options.fer_ddp, options.ranks, "--config", EXPERIMENT, "--set", f"data={options.csv}",
                                        "--set", f"output={run}"))
        result = json.loads((run / "result.json").read_text())
        resolved = run / "config.json"
        keras, output = timed([options.python, pathlib.Path(__file__).parent / "peers" / "train_keras.py", "--csv", options.csv,
                               "--config", resolved])
    theirs = json.loads(output.splitlines()[-1])
    print(f"{'':10}{'seconds':>9}{'epochs':>8}{'s an epoch':>12}{'test accuracy':>15}{'loss':>8}")
    for title, seconds, epochs, accuracy, loss in (
            ("fer-ddp", ours, result["epochs_run"], result["test_accuracy"], result["test_loss"]),
            ("Keras", keras, theirs["epochs"], theirs["test_accuracy"], theirs["test_loss"])):
        print(f"{title:10}{seconds:9.1f}{epochs:8d}{seconds / epochs:12.2f}{accuracy:15.4f}{loss:8.4f}")
    print(f"fer-ddp takes 1 / {keras / ours:.1f} of the seconds, 1 / {keras / theirs['epochs'] / (ours / result['epochs_run']):.1f} an epoch")


main()
