#!/usr/bin/env python3
"""Many watchers of one run's status, each on a connection of its own. Prints a line once each has its first status, and how many came in
all when it is told to end (SIGTERM).

Usage: watch_status.py HOST:PORT WATCHERS. Needs grpcio.
"""
import asyncio
import signal
import sys

import grpc


class Count:
    def __init__(self) -> None:
        self.messages = 0
        self.watching = 0


async def watch(address: str, count: Count) -> None:
    """Messages stay the bytes that they are: reading them is no part of what is measured."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options) as channel:
        call = channel.unary_stream("/fer_ddp.v1.TrainingStatus/WatchStatus")(b"")
        first = True
        async for _ in call:
            count.messages += 1
            count.watching += first
            first = False


async def main() -> None:
    address, watchers = sys.argv[1], int(sys.argv[2])
    count = Count()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    tasks = [asyncio.create_task(watch(address, count)) for _ in range(watchers)]
    while count.watching < watchers:
        await asyncio.sleep(0.05)
    print("watching", flush=True)
    await ended.wait()
    print(count.messages, flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


asyncio.run(main())
