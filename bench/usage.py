"""Measures the processor time of processes."""

from contextlib import suppress

import psutil


def of_process(pid: int) -> float:
    """Return the processor seconds that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def of_tree(pid: int) -> float:
    """Return the processor seconds of a process and its children, ended ones included.

    PostgreSQL's postmaster is the parent of all its processes, and waits for each.
    """
    process = psutil.Process(pid)
    seconds = 0.0
    for child in process.children():
        with suppress(psutil.NoSuchProcess):  # then it counts among the ended ones
            seconds += of_process(child.pid)
    times = process.cpu_times()
    return seconds + times.user + times.system + times.children_user + times.children_system
