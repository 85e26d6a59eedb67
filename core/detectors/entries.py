"""The detectors that can be chosen: each names its function in a file of this room."""

from __future__ import annotations

from core.configuration import Entry, Parameter

_NEIGHBOURS = Parameter(0.15, "k as a share of the class (at most 1000); more than may be poisoned", 0.001, 0.5)
_LEVEL = Parameter(0.001, "chance that any class of a set without a mark is named, at most", 1e-12, 0.5)
_FDR = Parameter(0.01, "share of the named classes that are named wrongly, on average, at most", 1e-12, 0.5)
_PIXELS = {"scope": "suspicious_class", "needs": ("images",), "features": False, "cuts": ("gap", "budget")}

ENTRIES = {
    "spectral": Entry(
        "Spectral signatures, Algorithm 1: squared projection of the centred representation "
        "on the class's top singular vector",
        "Tran, Li, Madry, Spectral signatures in backdoor attacks, NeurIPS 2018",
        "core.detectors.spectral:spectral",
        facts={"scope": "every_class"},
    ),
    "spectral-released": Entry(
        "The original authors' released score, for comparison: the direction comes from the centred "
        "matrix but the features are projected uncentred",
        "the code published with Tran, Li, Madry, NeurIPS 2018",
        "core.detectors.spectral:spectral_released",
        facts={"scope": "every_class"},
    ),
    "whitened-spectral": Entry(
        "Spectral signatures after whitening by the other classes, one-sided and refined; names the poisoned class",
        "this project; kin: Tang et al., SCAn, USENIX Security 2021; Hayase et al., SPECTRE, ICML 2021",
        "core.detectors.whitened:whitened_spectral",
        {"threshold": Parameter(2.5, "robust z-score above which a class is called poisoned", 0.0, 100.0)},
        facts={"scope": "suspicious_class", "cuts": ("budget", "gap")},
        version=2,
    ),
    "spectral-top-k": Entry(
        "Spectral signatures along several directions: the sum of squared projections of the centred "
        "representation on the class's top k singular vectors",
        "after Tran, Li, Madry, Spectral signatures in backdoor attacks, NeurIPS 2018 (k = 1 is theirs)",
        "core.detectors.top_k:spectral_top_k",
        {"directions": Parameter(10, "k, how many top singular vectors are looked along", 1, 1000)},
        facts={"scope": "every_class"},
    ),
    "spectre": Entry(
        "Whitened by robust estimates of mean and covariance, scored by quantum entropy (QUE); names the "
        "poisoned class",
        "Hayase, Kong, Somani, Oh, SPECTRE: Defending against backdoor attacks using robust statistics, ICML 2021",
        "core.detectors.spectre:spectre",
        {
            "assumed_share": Parameter(0.1, "share of a class that is poisoned at most, as assumed", 0.001, 0.24),
            "threshold": Parameter(5.0, "robust z-score above which a class is called poisoned", 0.0, 100.0),
        },
        facts={"scope": "suspicious_class"},
    ),
    "activation-clustering": Entry(
        "Each class cut in two by 2-means; the smaller cluster is suspicious where it lies apart; names the "
        "poisoned class",
        "Chen et al., Detecting backdoor attacks on deep neural networks by activation clustering, "
        "arXiv:1811.03728, 2018",
        "core.detectors.clustering:activation_clustering",
        {
            "dimensions": Parameter(10, "to which a class is reduced", 1, 100),
            "largest_share": Parameter(0.35, "of the class that the smaller cluster may have, to count", 0.0, 0.5),
            "threshold": Parameter(0.15, "silhouette above which a class is called poisoned", 0.0, 1.0),
        },
        facts={"scope": "suspicious_class", "cuts": ("budget", "gap")},
    ),
    "scan": Entry(
        "Each class untangled into two groups of the variation that all classes share, and their likelihood "
        "ratio; names the poisoned class",
        "Tang, Wang, Tang, Zhang, Demon in the variant (SCAn), USENIX Security 2021",
        "core.detectors.scan:scan",
        {"threshold": Parameter(7.389, "anomaly index above which a class is called poisoned; e²", 0.0, 1000.0)},
        facts={"scope": "suspicious_class", "cuts": ("budget", "gap")},
        version=2,
    ),
    "mahalanobis": Entry(
        "Robust Mahalanobis distance to the class: minimum covariance determinant on its leading directions",
        "Rousseeuw, Van Driessen, A fast algorithm for the minimum covariance determinant estimator, "
        "Technometrics 1999",
        "core.detectors.mahalanobis:mahalanobis",
        {"dimensions": Parameter(20, "principal directions of the class, at most", 1, 100)},
        facts={"scope": "every_class"},
        version=2,
    ),
    "knn": Entry(
        "Distance to the k-th nearest neighbour within the class",
        "Ramaswamy, Rastogi, Shim, Efficient algorithms for mining outliers from large data sets, SIGMOD 2000",
        "core.detectors.neighbours:knn",
        {"share": _NEIGHBOURS},
        facts={"scope": "every_class"},
    ),
    "lof": Entry(
        "Local outlier factor within the class: how much thinner an image's surroundings are than its neighbours'",
        "Breunig, Kriegel, Ng, Sander, LOF: Identifying density-based local outliers, SIGMOD 2000",
        "core.detectors.neighbours:local_outlier_factor",
        {"share": _NEIGHBOURS},
        facts={"scope": "every_class"},
    ),
    "isolation-forest": Entry(
        "Isolation forest on each class: how few random cuts part an image from the others",
        "Liu, Ting, Zhou, Isolation forest, ICDM 2008",
        "core.detectors.forest:isolation_forest",
        {"trees": Parameter(100, "how many trees the forest has", 10, 1000)},
        facts={"scope": "every_class"},
    ),
    "loss-isolation": Entry(
        "Loss in early training: what is learned sooner than the rest of its class is suspicious",
        "Li, Lyu, Koren, Lyu, Li, Ma, Anti-backdoor learning: Training clean models on poisoned data, NeurIPS 2021",
        "core.detectors.isolation:loss_isolation",
        {"epochs": Parameter(4, "how many epochs count as early training", 1, 1000)},
        facts={"scope": "every_class", "needs": ("losses",)},
    ),
    "strip": Entry(
        "Each image superimposed with others: the network's answer stays sure where a trigger decides it",
        "Gao, Xu, Wang, Chen, Ranasinghe, Nepal, STRIP: A defence against trojan attacks on deep neural networks, "
        "ACSAC 2019",
        "core.detectors.strip:strip",
        {
            "others": Parameter(6, "how many images of the training set each image is superimposed with", 1, 100),
            "seed": Parameter(0, "of the choice of those images", 0, 2**31 - 1),
        },
        facts={"scope": "every_class", "needs": ("entropies",)},
    ),
    "mirror": Entry(
        "Of the images alone: a pattern that is the same way round in too many images of a class, where photographs "
        "are as likely as their mirror images; names the poisoned class",
        "this project",
        "core.detectors.mirror:mirror",
        {"level": _LEVEL},
        facts=_PIXELS,
    ),
    "repeats": Entry(
        "Of the images alone: the same colour in the same place in too many images of a class; names the poisoned "
        "class",
        "this project",
        "core.detectors.repeats:repeats",
        {"level": _LEVEL},
        facts=_PIXELS,
    ),
    "image-spectral": Entry(
        "Of the images alone: whitened spectral signatures of their spectra and of tiles of them; names the poisoned "
        "class by an e-value that no other class is needed for",
        "this project; kin: Tang et al., SCAn, USENIX Security 2021; Wasserman et al., Universal inference, PNAS 2020",
        "core.detectors.image_spectral:image_spectral",
        {"level": _FDR},
        facts=_PIXELS,
        version=2,
    ),
    "split-spectral": Entry(
        "Whitened spectral signatures with an absolute null: a direction refined on half of a class must part the "
        "other half in two; names the poisoned class by an e-value, also where every class is poisoned",
        "this project; kin: Wasserman, Ramdas, Balakrishnan, Universal inference, PNAS 2020",
        "core.detectors.image_spectral:split_spectral",
        {"level": _FDR},
        facts={"scope": "suspicious_class", "cuts": ("gap", "budget")},
        version=2,
    ),
    "panel": Entry(
        "One verdict of the tests that have a p-value of their own: mirror, repeats and image-spectral on the images, "
        "split-spectral on a network's layer and on what its answers rest on; names classes, flags images and says why",
        "this project; Benjamini, Yekutieli, The control of the false discovery rate in multiple testing under "
        "dependency, Annals of Statistics 2001",
        "core.detectors.panel:panel",
        {"level": _FDR},
        facts={
            "scope": "suspicious_class",
            "may": ("images", "attributions"),
            "features": "optional",
            "cuts": ("gap", "budget"),
            "parts": ("repeats", "mirror", "image-spectral", "split-spectral"),
        },
        version=4,
    ),
}
