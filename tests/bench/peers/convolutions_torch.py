#!/usr/bin/env python3
"""PyTorch's convolutions and training steps on one thread, in processor time: the peer of tests/bench/kernels.

convolutions_torch.py layers IMAGES INPUTS,OUTPUTS,SIDE...   a line each: fp32 and bf16 seconds of forward and of both gradients, channels_last
convolutions_torch.py network IMAGES vgg:W,W,W,W|resnet18    images/s: fp32 as written, fp32 channels_last, bf16 autocast channels_last
"""
import sys
import time

import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)


def least_seconds(work, rounds: int = 3) -> float:
    work()
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def measure_layer(images: int, inputs: int, outputs: int, side: int) -> None:
    line = [inputs, outputs, side]
    for kind in (torch.float32, torch.bfloat16):
        random = lambda *shape: torch.randn(*shape).to(kind).contiguous(memory_format=torch.channels_last)
        x, weights, gradient = random(images, inputs, side, side), random(outputs, inputs, 3, 3), random(images, outputs, side, side)
        wanted = [inputs > 1, True, False]
        line.append(f"{least_seconds(lambda: functional.conv2d(x, weights, padding=1)):.6e}")
        line.append(f"{least_seconds(lambda: torch.ops.aten.convolution_backward(gradient, x, weights, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, wanted)):.6e}")
    print(*line, flush=True)


def convolution(inputs: int, outputs: int, stride: int = 1) -> list:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.body = nn.Sequential(*convolution(inputs, outputs, stride), nn.ReLU(), *convolution(outputs, outputs))
        self.shortcut = nn.Sequential()
        if inputs != outputs:
            self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return functional.relu(self.shortcut(x) + self.body(x))


def network(name: str) -> nn.Module:
    layers, inputs = [], 1
    if name == "resnet18":
        layers += [*convolution(1, 64), nn.ReLU()]
        inputs = 64
        for width in (64, 128, 256, 512):
            layers += [Block(inputs, width, 1 if width == inputs else 2), Block(width, width, 1)]
            inputs = width
    else:
        for width in map(int, name.removeprefix("vgg:").split(",")):
            layers += [*convolution(inputs, width), nn.ReLU(), *convolution(width, width), nn.ReLU(), nn.MaxPool2d(2)]
            inputs = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 7))


def measure_network(images: int, name: str) -> None:
    speeds = []
    for channels_last, bf16 in ((False, False), (True, False), (True, True)):
        model = network(name)
        x, labels = torch.randn(images, 1, 48, 48), torch.randint(0, 7, (images,))
        if channels_last:
            model = model.to(memory_format=torch.channels_last)
            x = x.contiguous(memory_format=torch.channels_last)

        def step() -> None:
            model.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = model(x)
            functional.cross_entropy(logits.float(), labels).backward()

        speeds.append(f"{images / least_seconds(step):.1f}")
    print(*speeds, flush=True)


if sys.argv[1] == "layers":
    for layer in sys.argv[3:]:
        measure_layer(int(sys.argv[2]), *map(int, layer.split(",")))
else:
    measure_network(int(sys.argv[2]), sys.argv[3])
