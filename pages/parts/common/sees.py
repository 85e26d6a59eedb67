"""How each detector looks at a training set, in plain words: what it looks at, and what an image's score is."""

from __future__ import annotations

from typing import NamedTuple

import core
from core import DefenceConfig


class Sees(NamedTuple):
    """A detector's two steps. `along` goes on after "the poisoned ones stand apart"; {name} is the class.

    where: what it looks at in place of the pixels. step, looks: the first of the two, as a name and as a sentence.
    scores: the second. svd: whether a singular value decomposition is at the heart of it.
    """

    along: str
    step: str
    looks: str
    scores: str
    svd: bool = False
    where: str = "in what the network makes of them"


_EACH = "among the images labelled {name}"
SEES = {
    "spectral": Sees(
        "along the top singular direction of the images labelled {name}", "SVD of each label",
        "The direction in which its images differ most.", "Squared distance along that direction.", svd=True,
    ),
    "spectral-released": Sees(
        "along the top singular direction of the images labelled {name}, measured from zero, not from their mean",
        "SVD of each label", "The direction in which its images differ most.",
        "Size of the uncentred representation along that direction.", svd=True,
    ),
    "spectral-top-k": Sees(
        "along the top {directions} singular directions of the images labelled {name}, taken together",
        "SVD of each label", "The directions in which its images differ most, several of them.",
        "Sum of the squared distances along those directions.", svd=True,
    ),
    "whitened-spectral": Sees(
        "along one direction, once the images labelled {name} are whitened by the other classes",
        "Whitening, then SVD", "Each label's leading directions, once what the others vary in is divided out.",
        "Distance along the one that parts it best.", svd=True,
    ),
    "spectre": Sees(
        "whitened by an estimate that a few outliers cannot bend, in the quantum entropy score " + _EACH,
        "Robust whitening", "Each label by a mean and covariance that a few outliers cannot bend.",
        "Quantum entropy (QUE): how much of what still varies is the image's doing.",
    ),
    "activation-clustering": Sees(
        "when the images labelled {name} are cut in two by 2-means, near the smaller cluster",
        "Cut each label in two", "2-means on its whitened principal components.",
        "How much nearer the smaller cluster's centre than the larger one's.",
    ),
    "scan": Sees(
        "when the images labelled {name} are taken for two groups of one variation, likelier in the smaller group",
        "Untangle each label", "Two groups of the variation that all classes share.",
        "How much likelier in the smaller group than in the larger.",
    ),
    "mahalanobis": Sees(
        "by robust Mahalanobis distance from the middle of the images labelled {name}",
        "Robust covariance", "Each label's middle and spread by those images that lie closest.",
        "Mahalanobis distance from that middle.",
    ),
    "knn": Sees(
        "by the distance to their k-th nearest neighbour " + _EACH, "Neighbours in each label",
        "For every image those of its label that lie nearest.", "Distance to the k-th of them.",
    ),
    "lof": Sees(
        "by how much thinner their surroundings are than their neighbours' " + _EACH, "Neighbours in each label",
        "For every image those of its label that lie nearest.", "How much thinner its surroundings than theirs.",
    ),
    "isolation-forest": Sees(
        "by how few random cuts part them from the others " + _EACH, "Random trees on each label",
        "Cuts at random, until every image stands alone.", "How few cuts that takes.",
    ),
    "loss-isolation": Sees(
        "by how early in training their loss fell, " + _EACH, "Losses of early training",
        "What every image cost in the first epochs.", "How far below its label's median loss.",
        where="in how soon the network learns them",
    ),
    "strip": Sees(
        "by how sure the network stays of them when other images are laid over them, " + _EACH,
        "Superimpose others", "The network is asked about each image with others laid over it.",
        "How sure its answers stay (low entropy).", where="in how the network answers when they are disturbed",
    ),
    "mirror": Sees(
        "by what they show the same way round, where photographs are as likely as their mirror images, " + _EACH,
        "Left against right", "What changes its sign when an image is mirrored.",
        "How far to the side that too many images are on.", where="in the images themselves",
    ),
    "repeats": Sees(
        "by a colour that is in one place too often " + _EACH, "Places and colours",
        "How often each colour is in each place.", "How unlikely what it repeats is by chance.",
        where="in the images themselves",
    ),
    "image-spectral": Sees(
        "along one direction of their spectra or of one tile of them, once the images labelled {name} are whitened by "
        "the other classes", "Whitened images", "Spectra and tiles of each label's images, once what the others vary "
        "in is divided out.", "Distance along the direction that parts it best.", svd=True,
        where="in the images themselves",
    ),
    "split-spectral": Sees(
        "along one direction that was found on the other half of the images labelled {name}", "Whitening, then halves",
        "Each label's leading directions, found on one half of it.", "Distance along them of the other half.", svd=True,
    ),
    "panel": Sees(
        "by the test that speaks loudest: of what repeats, of what is turned one way, of spectra and tiles, of the "
        "network's layer, " + _EACH, "Four tests of each label", "The images themselves, and what the network makes "
        "of them.", "How far beyond the cut of the tests that speak.",
        where="in the images and in what the network makes of them",
    ),
}  # fmt: skip


def of(defence: DefenceConfig) -> Sees:
    """The words of a run's detector; of one that was registered elsewhere, its entry's summary."""
    summary = core.DETECTORS[defence.detector].summary
    elsewhere = Sees(f"by the detector {defence.detector} {_EACH}", defence.detector, f"{summary}.", "Higher is odder.")
    return SEES.get(defence.detector, elsewhere)


def along(defence: DefenceConfig, name: str) -> str:
    """By what the images of a class are told apart, as part of a sentence."""
    return of(defence).along.format(name=name, **{"directions": "", **defence.parameters})
