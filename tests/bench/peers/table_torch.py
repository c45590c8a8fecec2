"""A network's table (launcher/networks/*.json) as PyTorch's users would write it."""
import json

import torch
from torch import nn


class Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + self.shortcut(x)


class Builder:
    def __init__(self):
        self.shape = (1, 48, 48)

    def layers(self, table: list) -> nn.Sequential:
        return nn.Sequential(*(self.layer(entry, table[i + 1] if i + 1 < len(table) else {}) for i, entry in enumerate(table)))

    def layer(self, entry: dict, following: dict) -> nn.Module:
        module = self.module(entry, following)
        if "residual" not in entry:
            with torch.no_grad():
                self.shape = tuple(module.eval()(torch.zeros(1, *self.shape)).shape[1:])
        return module.train()

    def module(self, entry: dict, following: dict) -> nn.Module:
        channels = self.shape[0]
        if "convolution" in entry:
            bias = entry.get("bias", "batch_norm" not in following)
            return nn.Conv2d(channels, entry["convolution"], entry.get("kernel", 3), entry.get("stride", 1), entry.get("padding", 0), bias=bias)
        if "batch_norm" in entry:
            options = entry["batch_norm"]
            kind = nn.BatchNorm2d if len(self.shape) == 3 else nn.BatchNorm1d
            return kind(channels, options.get("epsilon", 1e-5), options.get("momentum", 0.1))
        if "dense" in entry:
            return nn.Linear(channels, entry["dense"], bias=entry.get("bias", True))
        if "max_pool" in entry:
            return nn.MaxPool2d(entry["max_pool"])
        if "average_pool" in entry:
            return nn.AvgPool2d(entry["average_pool"])
        if "dropout" in entry:
            return nn.Dropout(entry["dropout"])
        if "relu" in entry:
            return nn.ReLU()
        if "flatten" in entry:
            return nn.Flatten()
        if "global_average_pool" in entry:
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return self.residual(entry)

    def residual(self, entry: dict) -> nn.Module:
        before = self.shape
        shortcut = self.layers(entry.get("shortcut", []))
        self.shape = before
        return Residual(self.layers(entry["residual"]), shortcut)


def network_of(path: str) -> nn.Sequential:
    with open(path, encoding="utf-8") as file:
        return Builder().layers(json.load(file)["layers"])
