#!/usr/bin/env python3
"""A recipe of launcher/experiments in PyTorch, as its users would write it for speed: bf16 autocast, channels_last. Reads the same file as
fer-ddp does, trains on the CPU from fer2013.csv by the official split, and prints one JSON object: seconds and scores.

Usage: recipe_torch.py RECIPE.json --csv fer2013.csv [--threads 2] [--seed 0] [--fp32]

Understands what those recipes use: Muon, cosine with a warm-up, label smoothing, the presets of augmentation, mixup, gentle last epochs,
averaged weights, flips at the test. Each by the same formulas as fer-ddp; the random numbers are PyTorch's own.
"""
import argparse
import contextlib
import copy
import csv
import json
import math
import pathlib
import time

import numpy as np
import torch
from table_torch import network_of
from torch import nn
from torch.nn import functional

NETWORKS = pathlib.Path(__file__).resolve().parents[3] / "launcher" / "networks"
MILD = {"rotation": 8, "scale": 0.08, "aspect": 0.08, "shift": 3, "contrast": 0.2, "erase_side": 0, "erase_share": 0}
FULL = {"rotation": 12, "scale": 0.12, "aspect": 0.08, "shift": 4, "contrast": 0.2, "erase_side": 16, "erase_share": 0.5}


def read_csv(path: str) -> tuple:
    """Pixels uint8 [n, 48, 48], labels [n], usages [n]."""
    pixels, labels, usages = [], [], []
    with open(path, newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for label, text, usage in rows:
            pixels.append(np.array(text.split(), np.uint8))
            labels.append(int(label))
            usages.append(usage)
    return torch.from_numpy(np.stack(pixels).reshape(-1, 48, 48)), torch.tensor(labels), np.array(usages)


def standardized(bytes_: torch.Tensor) -> torch.Tensor:
    x = bytes_.float().unsqueeze(1) / 255
    return (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 0.05)


def augmented(x: torch.Tensor, how: dict) -> torch.Tensor:
    n = len(x)
    drawn = lambda most: (torch.rand(n) * 2 - 1) * most  # noqa: E731
    angle, scale = drawn(how["rotation"]) * math.pi / 180, 1 + drawn(how["scale"])
    wide = scale * (1 + drawn(how["aspect"]))
    mirror = (torch.rand(n) < 0.5).float() * 2 - 1
    across, down = drawn(how["shift"]) / 24, drawn(how["shift"]) / 24
    cosine, sine = torch.cos(angle), torch.sin(angle)
    rows = [torch.stack([cosine * wide * mirror, -sine * scale, across], 1), torch.stack([sine * wide * mirror, cosine * scale, down], 1)]
    grid = functional.affine_grid(torch.stack(rows, 1), x.shape, align_corners=False)
    x = functional.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    x = x * (1 + drawn(how["contrast"])).view(-1, 1, 1, 1) + drawn(how["contrast"]).view(-1, 1, 1, 1)
    if how["erase_side"]:
        place = torch.arange(48)
        inside = lambda: (place - torch.rand(n, 1) * 48).abs() < how["erase_side"] / 2  # noqa: E731
        erased = inside()[:, :, None] & inside()[:, None, :] & (torch.rand(n, 1, 1) < how["erase_share"])
        x = x.masked_fill(erased.unsqueeze(1), 0.0)
    return x


def orthogonalized(gradient: torch.Tensor) -> torch.Tensor:
    x = gradient.bfloat16()
    x = x / (x.norm() + 1e-7)
    tall = x.size(0) > x.size(1)
    x = x.T if tall else x
    for _ in range(3):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr: float, momentum: float, weight_decay: float):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state["velocity"] = torch.zeros_like(weight.grad)
                state["velocity"].mul_(group["momentum"]).add_(weight.grad)
                ahead = weight.grad.add(state["velocity"], alpha=group["momentum"])
                update = orthogonalized(ahead.reshape(len(ahead), -1)).view_as(weight).to(weight.dtype)
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * max(1, weight.size(0) / weight[0].numel()) ** 0.5)


class Training:
    def __init__(self, recipe: dict, options: argparse.Namespace):
        self.recipe, self.options = recipe, options
        torch.manual_seed(options.seed)
        self.random = np.random.default_rng(options.seed)
        self.precision = lambda: contextlib.nullcontext() if options.fp32 else torch.autocast("cpu", torch.bfloat16)
        self.model = network_of(NETWORKS / f"{recipe['model']}.json").to(memory_format=torch.channels_last)
        for module in self.model.modules():
            if isinstance(module, nn.Dropout):
                module.p = recipe.get("dropout", module.p)
        self.average = copy.deepcopy(self.model)
        filters = [p for p in self.model.parameters() if p.ndim == 4 and p.shape[1] > 1]
        others = [p for p in self.model.parameters() if not (p.ndim == 4 and p.shape[1] > 1)]
        self.optimizers = [Muon(filters, recipe["learning_rate"], recipe["momentum"], recipe["weight_decay"]),
                           torch.optim.SGD(others, recipe.get("other_learning_rate", 0.05), momentum=0.85, nesterov=True, weight_decay=5e-4)]
        self.rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]

    def rate_share(self, step: int, steps_per_epoch: int) -> float:
        warm_up, last = self.recipe["warm_up_epochs"] * steps_per_epoch, self.recipe["epochs"] * steps_per_epoch - 1
        return step / warm_up if step < warm_up else 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (last - warm_up)))

    def epoch_recipe(self, epoch: int) -> tuple:
        how = dict(FULL if self.recipe["augment"] == "full" else MILD)
        how["erase_side"] = self.recipe.get("augment_erase_side", how["erase_side"])
        if epoch < self.recipe["epochs"] - self.recipe["finish_epochs"]:
            return how, self.recipe["label_smoothing"], self.recipe.get("augment_mixup", 0)
        return {**how, "rotation": 0, "scale": 0, "aspect": 0, "shift": 2, "contrast": how["contrast"] / 2, "erase_side": 0}, self.recipe["label_smoothing"] / 2, 0

    def step(self, images: torch.Tensor, labels: torch.Tensor, how: dict, smoothing: float, mixup: float) -> None:
        x = augmented(standardized(images), how)
        weight = self.random.beta(mixup, mixup) if mixup and self.random.random() < 0.8 else 1.0
        if weight < 1:
            x = weight * x + (1 - weight) * x.roll(1, 0)
        with self.precision():
            logits = self.model(x.contiguous(memory_format=torch.channels_last))
        loss = weight * functional.cross_entropy(logits.float(), labels, label_smoothing=smoothing)
        if weight < 1:
            loss = loss + (1 - weight) * functional.cross_entropy(logits.float(), labels.roll(1, 0), label_smoothing=smoothing)
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    @torch.no_grad()
    def follow(self, step: int) -> None:
        decay = min(self.recipe["average_weights"], (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)
        for mine, new in zip(self.average.buffers(), self.model.buffers()):
            mine.copy_(new) if mine.dtype == torch.long else mine.lerp_(new, 1 - decay)

    def train(self, images: torch.Tensor, labels: torch.Tensor, each_epoch) -> None:
        batch = self.recipe["batch_size"]
        steps, done = len(images) // batch, 0
        for epoch in range(self.recipe["epochs"]):
            how, smoothing, mixup = self.epoch_recipe(epoch)
            order = torch.randperm(len(images))
            for number in range(steps):
                share = self.rate_share(done, steps)
                for optimizer, rates in zip(self.optimizers, self.rates):
                    for group, rate in zip(optimizer.param_groups, rates):
                        group["lr"] = rate * share
                rows = order[number * batch:(number + 1) * batch]
                self.step(images[rows], labels[rows], how, smoothing, mixup)
                self.follow(done)
                done += 1
            each_epoch(epoch + 1)

    @torch.no_grad()
    def is_right(self, images: torch.Tensor, labels: torch.Tensor, flip: bool) -> torch.Tensor:
        self.average.eval()
        found = []
        for part in images.split(1024):
            x = standardized(part).to(memory_format=torch.channels_last)
            with self.precision():
                found.append(sum(self.average(view).float().softmax(1) for view in ([x, x.flip(3)] if flip else [x])))
        self.average.train()
        return torch.cat(found).argmax(1) == labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--csv", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fp32", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    start = time.perf_counter()
    images, labels, usages = read_csv(options.csv)
    training = Training(json.loads(pathlib.Path(options.recipe).read_text()), options)
    chosen = {name: torch.from_numpy(np.flatnonzero(usages == name)) for name in ("Training", "PublicTest", "PrivateTest")}
    of = lambda name: (images[chosen[name]], labels[chosen[name]])  # noqa: E731
    epochs = []
    training.train(*of("Training"), lambda epoch: epochs.append((training.is_right(*of("PublicTest"), False).float().mean().item(), time.perf_counter())))
    right = training.is_right(*of("PrivateTest"), training.recipe.get("test_time_augmentation", "none") != "none")
    seconds = time.perf_counter() - start
    known = {image.numpy().tobytes() for image in of("Training")[0]}
    new = torch.tensor([image.numpy().tobytes() not in known for image in of("PrivateTest")[0]])
    print(json.dumps({"seconds": round(seconds, 1), "seconds_an_epoch": round((epochs[-1][1] - epochs[0][1]) / max(1, len(epochs) - 1), 2),
                      "validation": round(epochs[-1][0], 4), "test": round(right.float().mean().item(), 4),
                      "test_without_copies": round(right[new].float().mean().item(), 4)}), flush=True)


main()
