#!/usr/bin/env python3
"""Our convolution kernels beside PyTorch's on one thread, interleaved (ours, theirs, ours, theirs), in processor time; what is printed are the
medians of each round's ratios and the least times. Ours include batch normalisation's map, ReLU and sums on both sides, PyTorch's layers do not;
the networks' steps hold all but the optimizer's update.

Usage: convolutions.py --build build/release --python PYTHON [--rounds 3] [--images 32] [--layers 16,16,48 ...] [--direct 64,128,48,3,2 ...]
                       [--networks vgg:16,32,64,128 ...]

PYTHON has torch. GFLOP/s are those of a direct convolution, 2 * 9 * inputs * outputs * positions; ours may exceed the peak, for Winograd's
products are fewer. Where the processor has AMX, our bf16 kernels are measured too (else nan). --direct: inputs, outputs, side, kernel and stride of
layers that our kernels take directly, in fp32 and by tiles. The targets convolutions and vgg_step must be built.
"""
import argparse
import math
import os
import pathlib
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 30), "MALLOC_TRIM_THRESHOLD_": str(1 << 31)}
LAYERS = ["1,16,48", "16,16,48", "16,32,24", "32,32,24", "32,64,12", "64,64,12", "64,128,6", "128,128,6", "256,256,6", "64,64,48", "128,128,24",
          "256,256,12", "512,512,6"]
DIRECT = ["64,128,48,3,2", "128,256,24,3,2", "256,512,12,3,2", "32,32,24,3,2", "64,128,24,1,1", "256,512,6,1,1", "32,32,24,1,1"]
NETWORKS = ["vgg:16,32,64,128", "vgg:32,64,128,256"]


def lines(command: list, **environment) -> list:
    return subprocess.run(list(map(str, command)), check=True, text=True, stdout=subprocess.PIPE,
                          env={**os.environ, **environment}).stdout.splitlines()


def compare_layer(options, layer: str) -> None:
    inputs, outputs, side = map(int, layer.split(","))
    gflop = 18e-9 * inputs * outputs * side * side * options.images
    rounds = []
    for _ in range(options.rounds):
        ours = lines([options.build / "bin" / "convolutions", options.images, 3, layer])
        theirs = lines([options.python, HERE / "peers" / "convolutions_torch.py", "layers", options.images, layer], **KEEP_MEMORY)
        winograd, tiles = (list(map(float, ours[0].split()[i:i + 2])) for i in (3, 5))
        rounds.append([*winograd, *(tiles or [math.nan, math.nan]), *map(float, theirs[0].split()[3:]), float(ours[1].split()[1])])
    forward, backward, tiles_forward, tiles_backward, fp32_forward, fp32_backward, bf16_forward, bf16_backward, peak = zip(*rounds)
    passes = 2 if inputs > 1 else 1
    ratio = lambda a, b: statistics.median(y / x for x, y in zip(a, b))
    print(f"| {inputs} to {outputs} at {side} | {options.images / min(forward):,.0f} | {options.images / min(backward):,.0f} | {gflop / min(forward):.0f} | "
          f"{passes * gflop / min(backward):.0f} | {max(peak) / 1e9:.0f} | {gflop / min(fp32_forward):.0f} | {passes * gflop / min(fp32_backward):.0f} | "
          f"{gflop / min(bf16_forward):.0f} | {passes * gflop / min(bf16_backward):.0f} | {ratio(forward, fp32_forward):.2f}, "
          f"{ratio(backward, fp32_backward):.2f} | {ratio(forward, bf16_forward):.2f}, {ratio(backward, bf16_backward):.2f} | "
          f"{gflop / min(tiles_forward):.0f} | {passes * gflop / min(tiles_backward):.0f} | {ratio(tiles_forward, bf16_forward):.2f}, "
          f"{ratio(tiles_backward, bf16_backward):.2f} |", flush=True)


def compare_direct(options, layer: str) -> None:
    inputs, outputs, side, kernel, stride = map(int, layer.split(","))
    rounds = [list(map(float, lines([options.build / "bin" / "convolutions", options.images, 3, layer])[0].split()[3:])) for _ in range(options.rounds)]
    times = [min(column) * 1e3 for column in zip(*rounds)] + [math.nan] * (4 - len(rounds[0]))
    print(f"| {inputs} to {outputs} at {side}, {kernel} x {kernel}, stride {stride} | " + " | ".join(f"{time:.2f}" for time in times) +
          f" | {times[0] / times[2]:.1f}, {times[1] / times[3]:.1f} |", flush=True)


def compare_network(options, network: str) -> None:
    rounds = []
    for _ in range(options.rounds):
        ours = lines([options.build / "bin" / "vgg_step", 128, 3, *network.removeprefix("vgg:").split(",")])
        theirs = lines([options.python, HERE / "peers" / "convolutions_torch.py", "network", 128, network], **KEEP_MEMORY)
        rounds.append([float(ours[0].split()[1]), *map(float, theirs[0].split())])
    columns = list(zip(*rounds))
    ratios = [statistics.median(a / b for a, b in zip(columns[0], column)) for column in columns[1:]]
    print(f"| {network} | " + " | ".join(f"{max(column):,.0f}" for column in columns) + " | " +
          ", ".join(f"{ratio:.2f}" for ratio in ratios) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=HERE.parent.parent / "build" / "release")
    parser.add_argument("--python", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--layers", nargs="*", default=LAYERS)
    parser.add_argument("--direct", nargs="*", default=DIRECT)
    parser.add_argument("--networks", nargs="*", default=NETWORKS)
    options = parser.parse_args()
    if options.layers:
        print("| layer | images/s forward | backward | GFLOP/s forward | backward | peak | PyTorch fp32 forward | backward | bf16 forward | backward "
              "| x fp32 | x bf16 | ours in bf16 by tiles: GFLOP/s forward | backward | x bf16 |\n|" + "---|" * 15)
    for layer in options.layers:
        compare_layer(options, layer)
    if options.direct:
        print("| layer, ms for all images | fp32 forward | backward | bf16 by tiles forward | backward | x |\n|" + "---|" * 6)
    for layer in options.direct:
        compare_direct(options, layer)
    if options.networks:
        print("| step of | images/s a core | PyTorch fp32 as written | fp32 channels_last | bf16 channels_last | x each |\n|" + "---|" * 6)
    for network in options.networks:
        compare_network(options, network)


main()
