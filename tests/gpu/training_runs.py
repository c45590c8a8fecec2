"""What the checks of the first minute on a GPU share: trainings by the real executable, their outcome read back, and the distance between
two of them. Python's standard library alone."""
import array
import csv
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass, field

ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
# NCCL refuses two ranks on one GPU unless it takes them for two hosts; it then goes through sockets. For correctness only.
ONE_GPU = {**ENVIRONMENT, "NCCL_SOCKET_IFNAME": "lo", "NCCL_IB_DISABLE": "1", "NCCL_MAX_CTAS": "4",
           "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}


class CheckFailed(Exception):
    """A training that should have ended well did not."""


@dataclass
class Program:
    fer_ddp: pathlib.Path
    mpiexec: str
    folder: pathlib.Path
    keys: dict = field(default_factory=dict)  # of every run
    variables: dict = field(default_factory=dict)  # of the environment of every run
    shards: dict = field(default_factory=dict)  # by the number of images

    def call(self, *arguments) -> str:
        done = subprocess.run([str(self.fer_ddp), *map(str, arguments)], capture_output=True, text=True,
                              env={**ENVIRONMENT, **self.variables}, timeout=600)
        if done.returncode != 0:
            raise CheckFailed(f"fer-ddp {arguments[0]} exited with {done.returncode}: {first_error(done.stderr)}")
        return done.stdout if "--json" in arguments else done.stderr

    def provide_shards(self, images: int) -> pathlib.Path:
        """Synthetic faces, 70 % of them for training."""
        if images not in self.shards:
            faces, folder = self.folder / f"faces-{images}.csv", self.folder / f"shards-{images}"
            self.call("synthesize", faces, "--images", images)
            self.call("preprocess", faces, folder)
            self.shards[images] = folder
        return self.shards[images]

    def experiment(self, name: str, images: int, **keys) -> pathlib.Path:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({"data": str(self.provide_shards(images)), "output": str(self.folder / name), "status_address": None,
                                    "early_stopping_patience": None, "lr_patience": None, "restore_best_weights": False, **self.keys, **keys}))
        return path

    def train(self, name: str, images: int, **keys) -> "Run":
        self.call("--config", self.experiment(name, images, **keys))
        return Run(self.folder / name)

    def profile(self, name: str, images: int, **keys) -> str:
        """What --profile says of the run's steps, a table."""
        said = self.call("--profile", "--config", self.experiment(name, images, **keys))
        found = re.search(r"\d+ steps .*", said, re.DOTALL)
        lines = found.group(0).splitlines() if found else []
        if len(lines) < 3:
            raise CheckFailed(f"--profile left no table: {said[-300:]}")
        end = next((i for i, line in enumerate(lines[2:], 2) if not re.search(r"\d%?\s*$", line)), len(lines))
        return "\n".join(line.rstrip() for line in lines[:end])

    def words_for_two_ranks(self, experiment: pathlib.Path) -> list:
        """A call of mpiexec in which NCCL takes each rank's host for one of its own."""
        rank = ["-n", "1", "-x", "NCCL_HOSTID={}", str(self.fer_ddp), "--config", str(experiment)]
        return [self.mpiexec, "--oversubscribe", "--bind-to", "none", *[word.format("first") for word in rank], ":",
                *[word.format("second") for word in rank]]

    def train_two_ranks(self, name: str, images: int, **keys) -> "Run":
        done = subprocess.run(self.words_for_two_ranks(self.experiment(name, images, **keys)), capture_output=True, text=True,
                              env={**ONE_GPU, **self.variables}, timeout=600)
        if done.returncode != 0:
            raise CheckFailed(f"two ranks exited with {done.returncode}: {first_error(done.stderr)}")
        return Run(self.folder / name)

    def go_on(self, run: "Run", after_epochs: int, **keys) -> None:
        """Goes on with a run as if it had been killed after so many epochs."""
        (run.folder / "result.json").unlink()
        for checkpoint in (run.folder / "checkpoints").iterdir():
            if int(checkpoint.name.split("-")[1]) > after_epochs:
                shutil.rmtree(checkpoint)
        said = self.call(f"--resume={run.folder}", *[word for key, value in keys.items() for word in ("--set", f"{key}={value}")])
        if f"resuming at epoch {after_epochs + 1}," not in said:
            raise CheckFailed(f"it did not resume after {after_epochs} epochs: {said}")


@dataclass
class Run:
    folder: pathlib.Path

    def history(self) -> list:
        with open(self.folder / "history.csv", newline="") as file:
            return list(csv.DictReader(file))

    def losses(self) -> list:
        return [float(row[column]) for row in self.history() for column in ("loss", "val_loss")]

    def images_per_second(self) -> float:
        """Of the last epoch: the ones before warm up and record."""
        return float(self.history()[-1]["images_per_second"])

    def result(self) -> dict:
        return json.loads((self.folder / "result.json").read_text())

    def device(self) -> str:
        return self.result()["ranks"][0]["device"]

    def tensors(self) -> dict:
        data = (self.folder / "model.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        found = {}
        for name, entry in json.loads(data[8:8 + length]).items():
            if name != "__metadata__":
                begin, end = (8 + length + offset for offset in entry["data_offsets"])
                found[name] = array.array("f", data[begin:end])
        return found


def first_error(text: str) -> str:
    return next((line for line in text.splitlines() if line.startswith("error: ")), text.strip()[-300:])


def loss_distance(first: Run, second: Run) -> float:
    """The largest difference of two histories' losses, as a share of the loss."""
    pairs = list(zip(first.losses(), second.losses(), strict=True))
    return max(abs(one - two) / abs(one) for one, two in pairs)


def gradient_distance(start: Run, expected: Run, found: Run) -> float:
    """Of one step of SGD at the learning rate 1, which moves weights by their gradient: the largest difference in a tensor, as a share of
    its largest gradient; over all trained tensors."""
    worst = 0.0
    before, reference, other = start.tensors(), expected.tensors(), found.tensors()
    for name, weights in before.items():
        if "running" in name:
            continue
        largest = max(abs(one - w) for one, w in zip(reference[name], weights))
        difference = max(abs(one - two) for one, two in zip(reference[name], other[name]))
        worst = max(worst, difference / largest)
    return worst
