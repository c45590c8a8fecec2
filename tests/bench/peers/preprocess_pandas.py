"""fer2013.csv to HDF5 as it is done in Python: pandas, numpy and h5py. The peer that preprocess.py measures fer-ddp against.

The usual form splits each row's text by itself; the fast form parses all rows as one text with numpy.fromstring.
Prints one line of JSON: the seconds from reading to the closed file, without Python's own start.

    preprocess_pandas.py CSV OUT.h5 [--fast]
"""

import argparse
import json
import time
import warnings

import h5py
import numpy
import pandas

SIDE = 48


def parse_usual(texts):
    return numpy.stack([numpy.array(text.split(), dtype=numpy.uint8).reshape(SIDE, SIDE) for text in texts])


def parse_fast(texts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pixels = numpy.fromstring(" ".join(texts), dtype=numpy.uint8, sep=" ")
    return pixels.reshape(-1, SIDE, SIDE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv")
    parser.add_argument("output")
    parser.add_argument("--fast", action="store_true")
    arguments = parser.parse_args()

    start = time.perf_counter()
    table = pandas.read_csv(arguments.csv)
    images = (parse_fast if arguments.fast else parse_usual)(table["pixels"])
    labels = table["emotion"].to_numpy(dtype=numpy.uint8)
    with h5py.File(arguments.output, "w") as file:
        for usage, rows in table.groupby("Usage").groups.items():
            group = file.create_group(usage)
            group.create_dataset("images", data=images[rows], chunks=(64, SIDE, SIDE), fletcher32=True)
            group.create_dataset("labels", data=labels[rows])
    print(json.dumps({"rows": len(table), "seconds": time.perf_counter() - start}))


if __name__ == "__main__":
    main()
