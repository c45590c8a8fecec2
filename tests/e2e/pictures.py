"""Faces of a csv as a folder of PNG files, named as those that were taken out of fer2013.csv; Python's standard library alone."""
import csv
import pathlib
import struct
import zlib

from harness import run

CLASSES = ["angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral"]  # by the csv's number
FOLDERS = {"Training": "train", "PublicTest": "test", "PrivateTest": "test"}


def png(pixels: bytes, width: int = 48) -> bytes:
    """A grey PNG file."""
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    height = len(pixels) // width
    rows = b"".join(b"\0" + pixels[y * width:(y + 1) * width] for y in range(height))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def png_of_rows(rows: list) -> bytes:
    return png(b"".join(map(bytes, rows)), len(rows[0]))


def rows_of(path: pathlib.Path) -> list:
    with open(path, newline="") as file:
        return [(int(row["emotion"]), bytes(map(int, row["pixels"].split())), row["Usage"]) for row in csv.DictReader(file)]


def csv_faces(path: pathlib.Path) -> list:
    """Of each row: its label, and its 48 rows of 48 bytes."""
    return [(label, [pixels[y * 48:y * 48 + 48] for y in range(48)]) for label, pixels, _ in rows_of(path)]


def write_pictures(faces: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    for number, (label, pixels, usage) in enumerate(rows_of(faces)):
        path = folder / FOLDERS[usage] / CLASSES[label] / f"{usage}_{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(pixels))
    return folder


def shards_of(source: pathlib.Path, *options, ranks: int = 0) -> dict:
    """The bytes of each shard that preprocess makes of it."""
    out = pathlib.Path("shards-of")
    run("preprocess", source, out, "--overwrite", *options, ranks=ranks)
    return {path.name: path.read_bytes() for path in out.glob("*.h5")}


def content_of(folder: pathlib.Path) -> dict:
    return {path: path.read_bytes() if path.is_file() and not path.is_symlink() else None for path in folder.rglob("*")}
