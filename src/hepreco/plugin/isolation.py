"""Runs code of plugins so that it can fail without ending the process."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """A function that tells whether the user has pressed Ctrl-C within the block.

    Code of a plugin may raise ``SystemExit`` or ``KeyboardInterrupt`` like any other exception. Only the signal tells a
    ``KeyboardInterrupt`` that a plugin raised from one that the user asked for: the former is the plugin's fault, the
    latter must stop the command.

    Example
    -------
    >>> with interrupts() as interrupted:
    ...     try:
    ...         raise KeyboardInterrupt
    ...     except BaseException:
    ...         print(interrupted())
    False
    """
    pressed = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield pressed.is_set  # signals reach only the main thread, and no handler where they are ignored
        return

    def note(number: int, frame: object) -> None:
        pressed.set()
        before(number, frame)  # type: ignore[arg-type]  # the previous handler takes the same arguments

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
