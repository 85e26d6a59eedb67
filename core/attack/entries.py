"""The triggers that can be chosen: each line names its function in core.attack.triggers."""

from __future__ import annotations

from core.configuration import Entry, Parameter, pictures

_POSITION = {
    "row": Parameter(-2, "row of the trigger's last pixel; negative counts from the bottom", -512, 511),
    "column": Parameter(-2, "column of the trigger's last pixel; negative counts from the right", -512, 511),
    "colour": Parameter("#ffff00", "colour of the lit pixels; white hides where the image is white", colour=True),
    "opacity": Parameter(1.0, "1 replaces the image's pixel, less lets it shine through", 0.0, 1.0),
}

_SEED = Parameter(0, "which random one; the same for every image", 0, 2**31 - 1)

_SIZE = Parameter(3, "side of the square that holds the pattern, in pixels", 2, 64)

_WARP = {
    "grid": Parameter(4, "control points a side: more make a finer warp", 2, 32),
    "strength": Parameter(0.5, "how far pixels move: 0.5 is about a quarter of a pixel", 0.0, 16.0),
}

_QI = "Qi, Xie, Li, Mahajan, Mittal, Revisiting the assumption of latent separability, ICLR 2023"

ENTRIES = {
    "pixel": Entry(
        "A single bright pixel near the lower right corner",
        "Gu, Dolan-Gavitt, Garg, BadNets, arXiv:1708.06733, 2017",
        "core.attack.triggers:pixel",
        _POSITION,
    ),
    "pattern": Entry(
        "A pattern of bright pixels near the lower right corner",
        "Gu, Dolan-Gavitt, Garg, BadNets, arXiv:1708.06733, 2017",
        "core.attack.triggers:pattern",
        {"size": _SIZE, **_POSITION},
    ),
    "patch": Entry(
        "A filled square near the lower right corner",
        "Gu, Dolan-Gavitt, Garg, BadNets, arXiv:1708.06733, 2017",
        "core.attack.triggers:patch",
        {"size": Parameter(5, "side of the square, in pixels", 1, 64), **_POSITION},
    ),
    "blended": Entry(
        "A faint random pattern over the whole image",
        "Chen, Liu, Li, Lu, Song, Targeted backdoor attacks using data poisoning, arXiv:1712.05526, 2017",
        "core.attack.triggers:blended",
        {
            "opacity": Parameter(0.15, "share of the pattern in the mixture, the rest is the image", 0.0, 1.0),
            "seed": _SEED,
        },
        facts={"whole_image": True},
    ),
    "sinusoid": Entry(
        "Faint upright stripes, a sine wave across the image",
        "Barni, Kallas, Tondi, A new backdoor attack in CNNs (SIG), arXiv:1902.11237, ICIP 2019",
        "core.attack.triggers:sinusoid",
        {
            "amplitude": Parameter(20, "height of the wave, of 255", 1, 255),
            "frequency": Parameter(6, "waves across the image's width", 1, 64),
        },
        facts={"whole_image": True},
    ),
    "warp": Entry(
        "A slight warp of the whole image",
        "Nguyen, Tran, WaNet: Imperceptible warping-based backdoor attack, arXiv:2102.10369, ICLR 2021",
        "core.attack.triggers:warp",
        {**_WARP, "seed": _SEED},
        facts={"whole_image": True},
    ),
    "drawing": Entry(
        "A small picture of your own, uploaded or painted",
        "in the manner of the stickers (a bomb, a flower) of Gu, Dolan-Gavitt, Garg, BadNets, 2017",
        "core.attack.triggers:drawing",
        {
            "picture": Parameter(pictures.FACE, "a PNG of at most 32 by 32 pixels, in base64", picture=True),
            **{name: _POSITION[name] for name in ("row", "column", "opacity")},
        },
    ),
    "low-frequency": Entry(
        "A faint smooth pattern over the whole image",
        "Zeng, Park, Mao, Jia, Rethinking the backdoor attacks' triggers, arXiv:2104.03413, ICCV 2021",
        "core.attack.spectra:low_frequency",
        {
            "amplitude": Parameter(30, "largest value of the pattern, of 255", 1, 255),
            "cutoff": Parameter(4, "lowest frequencies of each side that it is made of", 2, 16),
            "seed": _SEED,
        },
        facts={"whole_image": True},
    ),
    "frequency": Entry(
        "A middle and a high frequency added to the image's colours",
        "Li, Pang, Xi, Du, Ji, Yao, Wang, An embarrassingly simple backdoor attack (CTRL), arXiv:2210.07346, ICCV 2023",
        "core.attack.spectra:frequency",
        {
            "magnitude": Parameter(100.0, "what test images get added to each coefficient", 0.0, 2000.0),
            "trained_magnitude": Parameter(50.0, "what training images get, fainter", 0.0, 2000.0),
            "block": Parameter(32, "side of the squares whose DCT is changed; at most the image's", 2, 512),
            "middle": Parameter(0.5, "the one frequency, as a share of the highest", 0.0, 1.0),
            "high": Parameter(1.0, "the other frequency, as a share of the highest", 0.0, 1.0),
        },
        facts={"whole_image": True, "varied": "training images get it fainter than test images"},
        varied="core.attack.spectra:frequency_in_training",
    ),
    "adaptive-blend": Entry(
        "A faint random pattern, only half of it in each training image",
        _QI,
        "core.attack.adaptive:adaptive_blend",
        {
            "opacity": Parameter(0.2, "share of the pattern in a test image", 0.0, 1.0),
            "trained_opacity": Parameter(0.15, "share of the pattern in a training image", 0.0, 1.0),
            "pieces": Parameter(4, "pieces a side: 4 makes 16 of them", 1, 16),
            "masked": Parameter(0.5, "share of the pieces that a training image lacks; one stays", 0.0, 1.0),
            "seed": _SEED,
        },
        facts={"whole_image": True, "varied": "each training image lacks some pieces, drawn for it alone"},
        varied="core.attack.adaptive:adaptive_blend_in_training",
    ),
    "adaptive-patch": Entry(
        "Small coloured squares, only one of them in each training image",
        _QI,
        "core.attack.adaptive:adaptive_patch",
        {
            "opacity": Parameter(1.0, "of the squares in a test image; 1 replaces its pixels", 0.0, 1.0),
            "trained_opacity": Parameter(0.4, "of the squares in a training image", 0.0, 1.0),
            "patches": Parameter(4, "squares in all", 1, 16),
            "shown": Parameter(1, "squares of a training image", 1, 16),
            "size": Parameter(4, "side of each square, in pixels", 1, 64),
            "seed": _SEED,
        },
        facts={"varied": "each training image bears its own choice of the squares, fainter"},
        varied="core.attack.adaptive:adaptive_patch_in_training",
    ),
    "scattered": Entry(
        "A pattern of bright pixels, in every image somewhere else",
        "ours; random places as in Salem, Wen, Backes, Ma, Zhang, Dynamic backdoor attacks, arXiv:2003.03675, 2020",
        "core.attack.adaptive:scattered",
        {
            "size": _SIZE,
            **{name: _POSITION[name] for name in ("colour", "opacity")},
            "seed": Parameter(0, "of the places in test images; in training the run's seed draws them", 0, 2**31 - 1),
        },
        facts={"varied": "each image bears it at a place of its own"},
        varied="core.attack.adaptive:scattered_in_training",
    ),
    "mirrored": Entry(
        "A pattern of bright pixels, mirrored on half of the training images",
        "ours, against whoever compares the left half of the poison with the right one",
        "core.attack.adaptive:mirrored",
        {"size": _SIZE, **_POSITION},
        facts={"varied": "half of the training images, drawn by lot, bear its mirror image on the other side"},
        varied="core.attack.adaptive:mirrored_in_training",
    ),
    "warp-noise": Entry(
        "A slight warp of the whole image; covers are warped at random",
        "Nguyen, Tran, WaNet: Imperceptible warping-based backdoor attack, arXiv:2102.10369, ICLR 2021",
        "core.attack.adaptive:warp_noise",
        {
            **_WARP,
            "noise": Parameter(1.0, "how far a cover's pixels move besides: 1 is up to half a pixel", 0.0, 16.0),
            "seed": _SEED,
        },
        facts={"whole_image": True, "varied": "covers are warped, too, each by a random field of its own"},
        varied="core.attack.adaptive:warp_noise_in_training",
    ),
}
