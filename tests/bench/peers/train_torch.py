#!/usr/bin/env python3
"""The seed CNN, or another network by its table, in PyTorch, as its users write it: prints the images/s of training on random images and the peak memory of a process.

One process: train_torch.py [--table launcher/networks/NAME.json] [--device cuda] [--channels-last] [--bf16] [--compile] [--threads N].
Data-parallel: torchrun --nproc-per-node 2 train_torch.py --threads 1.
"""
import argparse
import contextlib
import os
import resource
import sys
import time

import torch
from table_torch import network_of
from torch import distributed, nn


def seed_cnn() -> nn.Module:
    def block(inputs: int, outputs: int) -> list:
        return [nn.Conv2d(inputs, outputs, 3), nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)]

    return nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), nn.Linear(6400, 128), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(128, 7))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", help="of the network, instead of the seed CNN")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--bf16", action="store_true", help="by autocast")
    parser.add_argument("--tf32", action="store_true", help="in convolutions and products, which otherwise are fp32 in full")
    parser.add_argument("--compile", action="store_true", help="torch.compile, mode max-autotune")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--warm-up", type=int, default=10)
    parser.add_argument("--batch", type=int, default=128, help="the global batch")
    parser.add_argument("--on-request", action="store_true",
                        help="for measurements in turns: warms up at the first line of standard input, answers 'ready', and measures at each line after it")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    world = int(os.environ.get("WORLD_SIZE", "1"))
    on_gpu = options.device == "cuda"
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = options.tf32  # as fer-ddp: fp32 is fp32
        torch.backends.cuda.matmul.allow_tf32 = options.tf32
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    model = (network_of(options.table) if options.table else seed_cnn()).to(device, memory_format=layout)
    if world > 1:
        distributed.init_process_group("nccl" if on_gpu else "gloo")
        model = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True if on_gpu else None)
    trained = torch.compile(model, mode="max-autotune") if options.compile else model
    precision = torch.autocast(options.device, torch.bfloat16) if options.bf16 else contextlib.nullcontext()
    batch = options.batch // world
    images = torch.randint(0, 256, (25120 // world, 1, 48, 48), dtype=torch.uint8).to(device)
    labels = torch.randint(0, 7, (25120 // world,)).to(device)
    order = torch.randperm(len(images)).to(device)

    def step(number: int) -> torch.Tensor:
        rows = order[number * batch % (len(images) - batch):][:batch]
        inputs = images[rows].float().div_(255).to(memory_format=layout)
        with precision:
            logits = trained(inputs)
        loss = nn.functional.cross_entropy(logits.float(), labels[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    # A GPU's steps are only begun here: one look at the loss waits for all of them, as a careful user would have it.
    def run(steps: int) -> float:
        start = time.perf_counter()
        for number in range(steps):
            loss = step(number)
            if not on_gpu:
                loss.item()
        if steps > 0:
            loss.item()
        return time.perf_counter() - start

    def measure() -> None:
        seconds = run(options.steps)
        if world == 1 or distributed.get_rank() == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            print(f"images_per_second={options.steps * options.batch / seconds:.0f} peak_mib={peak}", flush=True)

    if options.on_request:
        sys.stdin.readline()
    run(options.warm_up)
    if options.on_request:
        print("ready", flush=True)
        for _ in sys.stdin:
            measure()
    else:
        measure()
    if world > 1:
        distributed.destroy_process_group()


main()
