"""Whitened spectral signatures: what one class varies in that the others do not.

Algorithm 1 of Tran, Li and Madry (2018) takes a class's top singular direction. In a class with a large
variation of its own (two kinds of photographs, say) that direction is not the poison's, and it finds
nothing. Four steps mend this, in every class (docs/whitened-spectral.md derives them):

1. whiten: the class, centred, is divided by the pooled within-class covariance of the *other* classes
   (kin: the shared covariance of SCAn, Tang et al. 2021; the whitening of SPECTRE, Hayase et al. 2021);
2. take the leading directions of what is left, and of those the ends with the longest tails: a poison that is
   a minority sits on one side;
3. refine: a two-component Gaussian mixture on the projection says how likely each image is a suspect;
   the direction becomes Fisher's discriminant between suspects and rest; repeat;
4. name the class: refine on one half of it, project the other half, and measure there how far apart the
   mixture's components lie (Ashman's D: Ashman, Bird and Zepf 1994). Any cloud can be cut in two, and a
   refined direction cuts it well; on images that the direction has not seen only a real gap remains. A class
   is named where its gap is beyond what the other classes show and beyond what a cloud without one shows.

Of one or two classes each is whitened by its own robust covariance (SPECTRE's) instead, and named by its gap alone.

It assumes that most classes are benign (of three or more) and that the poison is the smaller group in
its class; a backdoor that the network has not learned leaves no trace to find.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import scipy.linalg as linalg

from core.detectors.classes import NORMAL, Matrix, Vector, batches, whitened
from core.detectors.directions import directions_for, floor, refined, ridged
from core.detectors.judged import COMPARED, TooSmall
from core.detectors.lines import reduced, turned
from core.detectors.members import held_and_large, members_of, rows_of
from core.detectors.mixtures import FEWEST, Mixture, gap, mixture, standard
from core.detectors.moments import Large
from core.detectors.narrow import narrow
from core.detectors.spectral import SPECTRUM
from core.detectors.spectre import robust, whitened_by
from core.types import Detection, Features, Ids, Labels, Logits

FEWEST_IMAGES = 12  # of a class: in either half of it there must be suspects and others
LEFT_OUT = 0.1  # half the share of a class that its own robust covariance leaves out
FEWEST_NAMED = 5.0  # suspects (expected) on unseen images below which no class is named: a few stray images
NO_GAP = 2.5  # Ashman's D that clouds without a gap show, too; below it no difference counts
LEAST_SPREAD = 0.15  # of log separations; ten classes can agree by chance
STRAY = 1.0  # variance of a log separation, times the number of images in its smaller group

_ALONE = (
    "fewer than three classes can be judged, so there is nothing to compare with: each class is whitened by its own "
    "robust covariance"
)


def whitened_spectral(features: Features, labels: Labels, logits: Logits, *, threshold: float) -> Detection:
    """Score features [n, d] of classes labels [n]; logits are not used.

    Scores are projections on the refined direction in standard deviations of the class, higher = more
    suspicious; cut [k] is the score above which an image is more likely of the upper component than of the
    lower. class_statistic says by how many spreads each class's log separation on unseen images exceeds the
    other classes'; above `threshold` the class is called poisoned.

    A class of fewer than twelve images is not judged: its scores and its statistic are 0. Of fewer than three
    that are, there is nothing to compare with: each is then whitened by its own robust covariance (SPECTRE's), and
    its separation compared with what a cloud without a gap shows.
    """
    sizes = np.bincount(labels)
    small = TooSmall.of(sizes, FEWEST_IMAGES)
    judged = [(label, ids) for label, ids in members_of(labels) if len(ids) >= FEWEST_IMAGES]
    alone = len(judged) < COMPARED
    seen = narrow(features) if judged and not alone else features
    metric = _OtherClasses(seen, labels) if judged and not alone else None
    scores, cut, spectrum = np.zeros(len(labels)), np.full(len(sizes), np.inf), np.zeros((len(sizes), SPECTRUM))
    separation, suspects = np.zeros(len(sizes)), np.zeros(len(sizes))
    for label, ids, values, points in _seen(seen, judged, metric):
        spectrum[label, : len(values[:SPECTRUM])] = values[:SPECTRUM]
        scores[ids], fitted = _score(points)
        cut[label] = np.inf if fitted is None else gap(fitted)
        separation[label], suspects[label] = _held_out(points)
    usual = np.log(NO_GAP) if alone else None
    notes = (*small.notes, *((_ALONE,) if alone and judged else ()))
    return Detection(scores, _unusual(separation, suspects, usual), threshold, spectrum, cut, small.mask, notes)


def _centred(rows: Features) -> Matrix:
    matrix = rows.astype(np.float64)
    matrix -= matrix.mean(0)
    return matrix


def _seen(
    features: Features, judged: Sequence[tuple[int, Ids]], metric: _OtherClasses | None
) -> Iterator[tuple[int, Ids, Vector, Matrix]]:
    """Each class's label and ids, and what is `whitened` of it; classes that are held first, large ones after them."""
    if metric is None:
        for label, ids, rows in rows_of(features, judged):
            yield label, ids, *_by_itself(rows)
        return
    for label, ids, rows in rows_of(features, (one for one in judged if one[0] not in metric.large)):
        yield label, ids, *metric.whitened(rows)
    for label, ids in judged:
        if label in metric.large:
            yield label, ids, *metric.whitened_large(label)


class _OtherClasses:
    """The classes of features [n, d], each whitened by the pooled within-class covariance of the others.

    One class's scatter is taken from that of all, so that a few matrices [d, d] are alive whatever the number of
    classes.
    """

    def __init__(self, features: Features, labels: Labels) -> None:
        self.count = len(features)
        self.whole: Matrix = np.zeros((features.shape[1],) * 2)
        held, large = held_and_large(features, members_of(labels))
        self.large = {label: Large(features, ids) for label, ids in large}
        for matrix in batches(_centred(rows) for _, _, rows in held):
            self.whole += matrix.T @ matrix
        for one in self.large.values():
            self.whole += one.scatter()

    def whitened(self, rows: Features) -> tuple[Vector, Matrix]:
        """A class's singular values in the metric of the others, largest first, and its rows along few directions.

        Of the values at least those of these directions and ten.
        """
        matrix = _centred(rows)
        others = max(1, self.count - len(matrix))
        if len(matrix) < matrix.shape[1]:
            return self._by_rows(matrix, others)
        values, directions = self._directions(matrix.T @ matrix, len(matrix))
        return values, matrix @ directions

    def whitened_large(self, label: int) -> tuple[Vector, Matrix]:
        """The same of a class that is looked at in pieces."""
        one = self.large[label]
        values, directions = self._directions(one.scatter(), len(one.ids))
        return values, one.projected(directions)

    def _directions(self, scatter: Matrix, count: int) -> tuple[Vector, Matrix]:
        few = directions_for(count, len(scatter))
        others = max(1, self.count - count)
        values, directions = _whitened(scatter, (self.whole - scatter) / others, max(few, SPECTRUM))
        return values, directions[:, :few]

    @cached_property
    def _axes(self) -> tuple[Vector, Matrix]:
        """Eigenvalues [d] and eigenvectors [d, d] of the scatter of all classes."""
        values, vectors = np.linalg.eigh(self.whole)
        return np.maximum(values, 0.0), vectors

    def _by_rows(self, matrix: Matrix, others: int) -> tuple[Vector, Matrix]:
        """The same of a class of fewer rows than features, by matrices [m, m].

        With A = M'M + B, B the others' scatter and its ridge, M B^-1 M' = K (1 - K)^-1 where K = M A^-1 M'
        (Woodbury), and A has the eigenvectors of the scatter of all classes, found once.
        """
        values, vectors = self._axes
        ridge = floor((values.sum() - (matrix**2).sum()) / others, len(values)) * others
        along = matrix @ vectors
        shares, left = np.linalg.eigh((along / (values + ridge)) @ along.T)
        shares = np.clip(shares[::-1], 0.0, 1 - np.finfo(float).eps)
        found = np.sqrt(others * shares / (1 - shares))
        few = directions_for(len(matrix), matrix.shape[1])
        return found, left[:, ::-1][:, :few] * found[:few]


def _by_itself(rows: Features) -> tuple[Vector, Matrix]:
    """The same of a class [m, d] in the metric of its own robust covariance, where there are no others to go by.

    Mean and covariance are those of spectre.robust, on the class's leading principal directions, so that what a
    smaller group adds to the class is what is left to vary.
    """
    matrix = rows.astype(np.float64)
    matrix -= matrix[0]
    points = whitened(matrix - matrix.mean(0), directions_for(*matrix.shape))
    if not points.shape[1]:
        return np.zeros(0), np.zeros((len(points), 1))
    cleaned = whitened_by(points, points[robust(points, LEFT_OUT)])
    cleaned -= cleaned.mean(0)
    values, directions = np.linalg.eigh(cleaned.T @ cleaned)
    return np.sqrt(np.maximum(values[::-1], 0.0)), cleaned @ directions[:, ::-1]


def _whitened(scatter: Matrix, others: Matrix, few: int) -> tuple[Vector, Matrix]:
    """The leading singular values [c], largest first, and directions [d, c] of a class in the metric of the others'
    covariance; c is at most `few`.

    The directions are in feature space and maximise the class's variance for unit variance of the others: with
    L L' = others they are L'^-1 times the eigenvectors of L^-1 scatter L'^-1. No matrix of images is decomposed, and
    no more eigenvectors are found than are looked along. The scatter [d, d] is written over.
    """
    width = len(scatter)
    root = linalg.cholesky(ridged(others), lower=True, overwrite_a=True, check_finite=False)
    some = [max(0, width - few), width - 1]
    values, vectors = linalg.eigh(reduced(scatter, root), subset_by_index=some, overwrite_a=True, check_finite=False)
    return np.sqrt(np.maximum(values[::-1], 0.0)), turned(vectors[:, ::-1], root)


def _score(points: Matrix) -> tuple[Vector, Mixture | None]:
    """The refined projection [n] of centred points [n, c], leading direction first, and the mixture on it."""
    projection = standard(points @ refined(points))
    return projection, mixture(projection)


def _held_out(points: Matrix) -> tuple[float, float]:
    """Ashman's D and the smaller component's size, of points [n, c] on directions found without them.

    The halves are every other point along the leading direction, so that they are alike and do not depend on
    the order of the rows.
    """
    order = np.argsort(points[:, 0], kind="stable")
    half = np.zeros(len(points), bool)
    half[order[::2]] = True
    unseen = np.zeros(len(points))
    for seen in (half, ~half):
        if seen.sum() < 2 * FEWEST:
            return 0.0, 0.0
        known = points[seen, : directions_for(int(seen.sum()), points.shape[1])]
        mean = known.mean(0)
        direction = refined(known - mean)
        on_known = known @ direction
        spread = on_known.std()
        unseen[~seen] = (points[~seen, : len(mean)] @ direction - np.median(on_known)) / (spread or 1.0)
    fitted = mixture(unseen)
    if fitted is None:
        return 0.0, 0.0
    return fitted.separation, float(fitted.weights.min() * len(points))


def _unusual(separation: Vector, suspects: Vector, known: float | None = None) -> Vector:
    """By how many spreads each class's log separation [k] is above the usual; 0 for classes that have none.

    What a cloud without a gap shows, too, counts as one value. The usual is the classes' median, or `known`; the
    spread is that of the classes (robust, and never below LEAST_SPREAD) and that of a separation on so few
    suspects [k].
    """
    unusual = np.zeros(len(separation))
    present = separation > 0
    if present.any():
        logs = np.log(np.maximum(separation[present], NO_GAP))
        usual, spread = known, LEAST_SPREAD
        if known is None:
            usual = np.median(logs)
            spread = max(spread, NORMAL * float(np.median(np.abs(logs - usual))))
        error = STRAY / np.maximum(suspects[present], 1.0)
        away = (logs - usual) / np.sqrt(spread**2 + error)
        unusual[present] = np.where(suspects[present] < FEWEST_NAMED, np.minimum(away, 0.0), away)
    return unusual
