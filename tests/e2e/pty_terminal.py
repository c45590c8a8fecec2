"""A terminal in a pty, as the tests of what is drawn on one look at it."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from harness import command

COLUMNS, ROWS = 80, 24
SEQUENCE = re.compile(rb"\033\[(\??)([0-9;]*)([A-Za-z])")


class Terminal:
    """A pty with the program on it, and the screen that it has drawn."""

    def __init__(self, *arguments, columns: int = COLUMNS, rows: int = ROWS) -> None:
        self.columns, self.rows = columns, rows
        self.master, slave = pty.openpty()
        self.resize(columns, rows)
        self.settings = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(command(*arguments), stdin=slave, stdout=slave, stderr=subprocess.PIPE,
                                        env={**os.environ, "TERM": "xterm-256color"}, start_new_session=True)
        self.bytes = b""
        self.lines = [""] * rows
        self.other_screen = False
        self.seen = self.row = 0

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.columns, self.rows, self.lines = columns, rows, [""] * rows

    def read(self, seconds: float) -> None:
        while select.select([self.master], [], [], seconds)[0]:
            self.bytes += os.read(self.master, 1 << 16)
            seconds = 0
        self.draw()

    def draw(self) -> None:
        """The sequences that the program uses, and no others: an unknown one fails the test."""
        while self.seen < len(self.bytes):
            found = SEQUENCE.match(self.bytes, self.seen)
            if found:
                private, numbers, letter = found.groups()
                self.seen = found.end()
                if private:
                    assert (numbers, letter) in ((b"1049", b"h"), (b"1049", b"l"), (b"25", b"h"), (b"25", b"l")), found
                    if numbers == b"1049":
                        self.other_screen = letter == b"h"
                elif letter == b"H":
                    self.row = int(numbers.split(b";")[0]) - 1
                    assert 0 <= self.row < self.rows, f"row {self.row + 1} of {self.rows}"
                    self.lines[self.row] = ""
                elif letter == b"J" and numbers == b"2":
                    self.lines = [""] * self.rows
                elif letter == b"J":
                    self.lines[self.row:] = [""] * (self.rows - self.row)
                else:
                    assert letter in (b"K", b"m"), found
                continue
            if self.bytes[self.seen:self.seen + 1] == b"\033":
                break  # not whole yet
            end = self.bytes.find(b"\033", self.seen + 1)
            text = self.bytes[self.seen:end if end >= 0 else len(self.bytes)]
            if end < 0:  # perhaps not whole yet
                try:
                    text.decode()
                except UnicodeDecodeError:
                    break
            self.seen += len(text)
            if self.other_screen:
                self.lines[self.row] += text.decode()
        for line in self.lines:
            assert len(line) <= self.columns, f"{len(line)} columns: {line!r}"

    def wait_for(self, what, why: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not what("\n".join(self.lines)):
            assert time.monotonic() < deadline and self.process.poll() is None, why + ":\n" + "\n".join(self.lines)
            self.read(0.05)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def end(self, expected: int = 0) -> None:
        """The program ends by itself, and leaves the terminal as it was."""
        assert self.process.wait(timeout=30) == expected, self.process.stderr.read()
        self.read(0.1)
        assert not self.other_screen and self.bytes.rfind(b"\033[?25h") > self.bytes.rfind(b"\033[?25l")
        assert termios.tcgetattr(self.slave) == self.settings, (termios.tcgetattr(self.slave), self.settings)
