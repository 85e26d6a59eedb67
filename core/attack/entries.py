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
        {"size": Parameter(3, "side of the square that holds the pattern, in pixels", 2, 64), **_POSITION},
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
        {
            "grid": Parameter(4, "control points a side: more make a finer warp", 2, 32),
            "strength": Parameter(0.5, "how far pixels move: 0.5 is about a quarter of a pixel", 0.0, 16.0),
            "seed": _SEED,
        },
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
}
