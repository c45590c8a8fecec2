#!/usr/bin/env python3
"""The seed CNN in PyTorch, as its users write it: prints the images/s of training on random images and the peak memory of a process.

One process: train_torch.py [--channels-last] [--threads N]. Data-parallel: torchrun --nproc-per-node 2 train_torch.py --threads 1.
"""
import argparse
import os
import resource
import time

import torch
from torch import distributed, nn

GLOBAL_BATCH = 128


def seed_cnn() -> nn.Module:
    def block(inputs: int, outputs: int) -> list:
        return [nn.Conv2d(inputs, outputs, 3), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)]

    return nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), nn.Linear(6400, 128), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(128, 7))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    model = seed_cnn().to(memory_format=layout)
    if world > 1:
        distributed.init_process_group("gloo")
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    batch = GLOBAL_BATCH // world
    images = torch.randint(0, 256, (25120 // world, 1, 48, 48), dtype=torch.uint8)
    labels = torch.randint(0, 7, (25120 // world,))
    order = torch.randperm(len(images))

    def step(number: int) -> None:
        rows = order[number * batch % (len(images) - batch):][:batch]
        inputs = images[rows].float().div_(255).to(memory_format=layout)
        loss = nn.functional.cross_entropy(model(inputs), labels[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        loss.item()

    for number in range(10):
        step(number)
    start = time.perf_counter()
    for number in range(options.steps):
        step(number)
    seconds = time.perf_counter() - start
    if world == 1 or distributed.get_rank() == 0:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(f"images_per_second={options.steps * GLOBAL_BATCH / seconds:.0f} peak_mib={peak}", flush=True)


main()
