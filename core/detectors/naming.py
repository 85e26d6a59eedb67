"""Which classes are named: false discovery rates over classes, from e-values or p-values, and what is said of them."""

from __future__ import annotations

import numpy as np

from core.detectors.classes import Vector
from core.types import Labels

NATS_PER_DIGIT = float(np.log(10))


def each(labels: Labels, level: float) -> float:
    """The p-value up to which a class of labels [n] is named, so that the chance of any in error is at most `level`."""
    return level / max(1, int(np.count_nonzero(np.bincount(labels))))


def threshold_by_e(logs: Vector, level: float) -> float:
    """The log e-value from which on classes of log e-values [k] are named at a false discovery rate of `level`.

    e-BH (Wang, Ramdas, False discovery rate control with e-values, JRSS B 2022): the largest number i of classes with
    an e-value of at least k / (level i). It holds whatever the dependence between the classes.
    """
    count = len(logs)
    needed = np.log(count / level) - np.log(np.arange(1, count + 1))
    reached = np.flatnonzero(np.sort(logs)[::-1] >= needed)
    return float(needed[reached[-1]] if len(reached) else needed[0])


def threshold_by_p(p: Vector, level: float) -> float:
    """The p-value up to which classes of p-values [k] are named at a false discovery rate of `level`.

    Benjamini, Yekutieli, The control of the false discovery rate in multiple testing under dependency, Annals of
    Statistics 2001: it holds whatever the dependence between the classes.
    """
    count = len(p)
    ranks = np.arange(1, count + 1)
    needed = level * ranks / (count * (1 / ranks).sum())
    reached = np.flatnonzero(np.sort(p) <= needed)
    return float(needed[reached[-1]] if len(reached) else needed[0])


def digits(p: Vector) -> Vector:
    """-log10 of p-values [k], at most 300: what a screen shows of them, higher = more suspicious."""
    return np.asarray(-np.log10(np.maximum(p, 1e-300))) + 0.0  # no minus before a nought
