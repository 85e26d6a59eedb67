"""Whitened spectral signatures: what one class varies in that the others do not.

Algorithm 1 of Tran, Li and Madry (2018) takes a class's top singular direction. In a class with a large
variation of its own (two kinds of photographs, say) that direction is not the poison's, and it finds
nothing. Four steps mend this, in every class:

1. whiten: the class, centred, is divided by the pooled within-class covariance of the *other* classes
   (kin: the shared covariance of SCAn, Tang et al. 2021; the whitening of SPECTRE, Hayase et al. 2021);
2. take the top singular direction of what is left, and the side of its longer tail: a poison that is a
   minority sits on one side;
3. refine: a two-component Gaussian mixture on the projection says how likely each image is a suspect;
   the direction becomes Fisher's discriminant between suspects and rest; repeat;
4. name the class: how far apart the mixture's components end (Ashman's D: Ashman, Bird and Zepf 1994),
   against how far they end in the other classes. Every cloud can be cut in two halves; a backdoor's
   halves lie several times further apart than most classes' halves do.

It assumes that most classes are benign (of three at least) and that the poison is the smaller group in
its class; a backdoor that the network has not learned leaves no trace to find.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from core.detectors.spectral import SPECTRUM, top_singular
from core.types import Detection, Features, Labels, Logits

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

RIDGE = 1e-2  # added to a covariance, as a share of its mean variance
ROUNDS = 6  # of refinement
FEWEST = 3.0  # suspects (expected) below which there is nothing to refine
LEAST_SPREAD = 0.15  # of log separations; ten classes can agree by chance
IMAGES_PER_DIRECTION = 20  # a small class is refined within few directions, or noise would look like a trace


def whitened_spectral(features: Features, labels: Labels, logits: Logits, *, threshold: float) -> Detection:
    """Score features [n, d] of classes labels [n]; logits are not used.

    Scores are projections on the refined direction in standard deviations of the class, higher = more
    suspicious. class_statistic is the robust z-score of each class's log separation among all classes;
    above `threshold` the class is called poisoned.
    """
    classes = int(labels.max()) + 1
    exact = features.astype(np.float64)
    scatters, sizes = _scatters(exact, labels, classes)
    scores, separation = np.zeros(len(labels)), np.zeros(classes)
    spectrum = np.zeros((classes, SPECTRUM))
    for label in np.unique(labels):
        members = labels == label
        others = max(1, sizes.sum() - sizes[label])
        whitened = _centred(exact[members]) @ _whitening((scatters.sum(0) - scatters[label]) / others)
        values, directions = top_singular(whitened, whitened.shape[1])
        spectrum[label, : len(values)] = values[:SPECTRUM]
        few = max(1, min(len(values), int(members.sum()) // IMAGES_PER_DIRECTION))
        scores[members], separation[label] = _refine(whitened @ directions[:, :few])
    return Detection(scores, _unusual(separation), threshold, spectrum)


def _scatters(features: Matrix, labels: Labels, classes: int) -> tuple[Matrix, NDArray[np.int64]]:
    """The scatter matrix of each class about its own mean [k, d, d], and the class sizes [k]."""
    width = features.shape[1]
    scatters = np.zeros((classes, width, width))
    for label in np.unique(labels):
        centred = _centred(features[labels == label])
        scatters[label] = centred.T @ centred
    return scatters, np.bincount(labels, minlength=classes)


def _centred(matrix: Matrix) -> Matrix:
    centred: Matrix = matrix - matrix.mean(0)
    return centred


def _ridged(covariance: Matrix) -> Matrix:
    """A covariance made safely invertible."""
    width = len(covariance)
    floor = RIDGE * np.trace(covariance) / width + np.finfo(float).tiny ** 0.5
    ridged: Matrix = covariance + floor * np.eye(width)
    return ridged


def _whitening(covariance: Matrix) -> Matrix:
    """The matrix [d, d] that turns data of this covariance into data of unit covariance."""
    values, vectors = np.linalg.eigh(_ridged(covariance))
    whitening: Matrix = vectors / np.sqrt(values)
    return whitening


def _refine(points: Matrix) -> tuple[Vector, float]:
    """The refined projection [n] of whitened points [n, c], leading direction first, and Ashman's D."""
    projection = _standard(points[:, 0])
    projection = projection if (projection**3).mean() >= 0 else -projection
    suspicion, separation = _mixture(projection)
    for _ in range(ROUNDS):
        if min(suspicion.sum(), (1 - suspicion).sum()) < FEWEST:
            break
        projection = _standard(points @ _discriminant(points, suspicion))
        suspicion, separation = _mixture(projection)
    return projection, separation


def _unusual(separation: Vector) -> Vector:
    """Robust z-scores [k] of the classes' log separations; 0 for classes too small to have one."""
    unusual = np.zeros(len(separation))
    present = separation > 0
    if present.any():
        logs = np.log(separation[present])
        away = logs - np.median(logs)
        unusual[present] = away / max(LEAST_SPREAD, 1.4826 * float(np.median(np.abs(away))))
    return unusual


def _standard(projection: Vector) -> Vector:
    """Shifted to median 0 and scaled to standard deviation 1; all zero where nothing varies."""
    spread = projection.std()
    standard: Vector = (projection - np.median(projection)) / (spread if spread > 0 else 1.0)
    return standard


def _mixture(projection: Vector) -> tuple[Vector, float]:
    """How likely each point is of the upper of two Gaussians [n], and their distance (Ashman's D)."""
    if len(projection) < 2 * FEWEST or np.ptp(projection) == 0:
        return np.zeros(len(projection)), 0.0
    column = projection[:, None]
    mixture = GaussianMixture(
        2,
        means_init=[[0.0], [float(np.quantile(projection, 0.95))]],
        weights_init=[0.9, 0.1],
        precisions_init=np.full((2, 1, 1), 4.0),
        init_params="random_from_data",  # all starting values are given; the default would run k-means first
        reg_covar=1e-4,
        tol=1e-4,
        max_iter=200,
        random_state=0,
    ).fit(column)
    means, variances = mixture.means_[:, 0], mixture.covariances_[:, 0, 0]
    upper = int(means.argmax())
    likely: Vector = mixture.predict_proba(column)[:, upper]
    likely[projection < means[1 - upper]] = 0.0  # a wide upper Gaussian also claims the far lower tail
    return likely, float(abs(means[0] - means[1]) / np.sqrt(variances.mean()))


def _discriminant(points: Matrix, suspicion: Vector) -> Vector:
    """Fisher's linear discriminant [c] between points [n, c] weighted by suspicion [n] and by its complement."""
    suspects, rest = suspicion[:, None], 1 - suspicion[:, None]
    upper = (suspects * points).sum(0) / suspects.sum()
    lower = (rest * points).sum(0) / rest.sum()
    within = (suspects * (points - upper)).T @ (points - upper) + (rest * (points - lower)).T @ (points - lower)
    direction: Vector = np.linalg.solve(_ridged(within / len(points)), upper - lower)
    return direction
