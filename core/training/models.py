"""Networks by name. Each is a `Network`: it normalises raw pixels itself and offers its representations.

Input everywhere: float tensors [n, 3, h, w] with values 0 to 255. Representations are pooled to [n, d]:
`block1`, `block2`, `block3` and `penultimate` (what the last linear layer sees). `attribute` says what of the first
blocks an answer rests on.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.configuration import MODELS

ATTRIBUTED = ("block1", "block2")  # behind a maximum, block3's gradient is the same for every image of a class
WHITENING_SAMPLE = 2_000  # images that the input statistics are taken from


class Network(nn.Module):
    """An image classifier that says what it sees on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((1, 3, 1, 1), 127.5))
        self.register_buffer("std", torch.full((1, 3, 1, 1), 64.0))

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """Take the channels' mean and standard deviation from training images [n, 3, h, w], 0 to 255."""
        self.get_buffer("mean").copy_(images.mean((0, 2, 3), keepdim=True))
        self.get_buffer("std").copy_(images.std((0, 2, 3), keepdim=True).clamp_min(1.0))

    def normalise(self, images: Tensor) -> Tensor:
        """Raw pixels to zero mean and unit variance a channel."""
        return (images - self.get_buffer("mean")) / self.get_buffer("std")

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """The activation maps [n, c, h, w] of block1, block2, block3, and the penultimate vector [n, d]."""
        raise NotImplementedError

    def classify(self, penultimate: Tensor) -> Tensor:
        """Logits [n, k] from the penultimate vector [n, d]."""
        raise NotImplementedError

    def first_filters(self) -> Tensor:
        """The filters of the first learned layer as they act on raw pixels, norm included: [f, 3, kh, kw]."""
        raise NotImplementedError

    def first_maps(self, images: Tensor) -> Tensor:
        """The answers of those filters behind norm and nonlinearity, [n, f, h', w']."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        """Logits [n, k]."""
        return self.classify(self.maps(images)["penultimate"])

    def represent(self, images: Tensor, representation: str) -> tuple[Tensor, Tensor]:
        """One pass: the named representation, pooled to [n, d], and the logits [n, k]."""
        maps = self.maps(images)
        chosen = maps[representation]
        pooled = chosen.mean((2, 3)) if chosen.ndim == 4 else chosen
        return pooled, self.classify(maps["penultimate"])

    def attribute(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """What of the first two blocks the logit of labels [n] rests on: gradient times activation, and logits [n, k].

        The product is averaged over the places of each channel: [n, d], the channels of block1 before those of block2.
        Gradients are taken of maps, not of weights. Kin: the activation gradients of Yuan et al., AGPD, ICLR 2025.
        """
        with torch.enable_grad():
            maps = self.maps(images.detach().requires_grad_())
            logits = self.classify(maps["penultimate"])
            seen = [maps[name] for name in ATTRIBUTED]
            pulls = torch.autograd.grad(logits.gather(1, labels[:, None]).sum(), seen)
        parts = [(pull * one).mean((2, 3)) for pull, one in zip(pulls, seen, strict=True)]
        return torch.cat(parts, 1).detach(), logits.detach()


class Residual(Network):
    """A residual network (He et al. 2016): a stem, four layers of blocks, average pooling, a linear head."""

    def __init__(self, stem: nn.Module, layers: list[nn.Module], head: nn.Linear) -> None:
        super().__init__()
        self.stem, self.layers, self.head = stem, nn.ModuleList(layers), head

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        x = self.stem(self.normalise(images))
        seen = {}
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x)
            seen[f"block{number}"] = x
        del seen["block4"]
        return {**seen, "penultimate": x.mean((2, 3))}

    def classify(self, penultimate: Tensor) -> Tensor:
        return self.head(penultimate)  # type: ignore[no-any-return]

    def first_filters(self) -> Tensor:
        convolution, norm = self._stem()[:2]
        return _scaled(_weight(convolution), norm, self.get_buffer("std"))

    def first_maps(self, images: Tensor) -> Tensor:
        return self._stem()[:3](self.normalise(images))  # type: ignore[no-any-return]

    def _stem(self) -> nn.Sequential:
        """Convolution, norm, ReLU, and what halves the resolution, if anything does."""
        assert isinstance(self.stem, nn.Sequential)
        return self.stem


def _weight(convolution: nn.Module) -> Tensor:
    assert isinstance(convolution, nn.Conv2d)
    return convolution.weight


def _scaled(filters: Tensor, norm: nn.Module, std: Tensor) -> Tensor:
    """Filters [f, c, kh, kw] on normalised pixels as the norm behind them scales them, per raw pixel value."""
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return filters * scale[:, None, None, None] / std


def resnet18(classes: int) -> Network:
    """torchvision's ResNet-18 with a 3x3 stem and no max-pooling, as is usual for 32x32 images; d = 512."""
    from torchvision.models import resnet18 as published  # two seconds that only residual networks need

    body = published(num_classes=classes)
    convolution = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    stem = nn.Sequential(convolution, body.bn1, body.relu)
    return Residual(stem, [body.layer1, body.layer2, body.layer3, body.layer4], body.fc)


def resnet_small(classes: int, width: int = 16) -> Network:
    """Four torchvision blocks of widths 16 to 128 behind a stem that halves the resolution; d = 128."""
    stem = nn.Sequential(
        nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.AvgPool2d(2)
    )
    widths = [width, width, 2 * width, 4 * width, 8 * width]
    layers: list[nn.Module] = [_basic_block(a, b) for a, b in pairwise(widths)]
    network = Residual(stem, layers, nn.Linear(widths[-1], classes))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def _basic_block(inside: int, outside: int) -> nn.Module:
    """A residual block that halves the resolution where it changes the width."""
    from torchvision.models.resnet import BasicBlock

    block: nn.Module
    if inside == outside:
        block = BasicBlock(inside, outside)
        return block
    shortcut = nn.Sequential(nn.Conv2d(inside, outside, 1, stride=2, bias=False), nn.BatchNorm2d(outside))
    block = BasicBlock(inside, outside, stride=2, downsample=shortcut)
    return block


class Whitened(Network):
    """Three blocks of convolutions behind a frozen first layer that whitens 2x2 patches of the data.

    The shape is that of the fastest published CIFAR-10 trainings (Jordan 2024, arXiv:2404.00498), made
    narrow enough for two CPU cores: whitening, GELU, three blocks, max-pooled features, a linear head
    without bias whose output is scaled down.
    """

    def __init__(self, classes: int, widths: tuple[int, int, int] = (32, 64, 64), patch: int = 2) -> None:
        super().__init__()
        channels = (6 * patch * patch, *widths)
        self.whitening = nn.Conv2d(3, channels[0], patch, bias=False)
        self.whitening.weight.requires_grad_(False)
        self.blocks = nn.ModuleList(_conv_block(inside, outside) for inside, outside in pairwise(channels))
        self.head = nn.Linear(widths[-1], classes, bias=False)
        self.output_scale = 1 / 9

    @torch.no_grad()
    def calibrate(self, images: Tensor) -> None:
        """Fit normalisation and the whitening filters: eigenvectors of the patches' covariance, and their
        negatives, each scaled to unit variance (with a floor that keeps noise small).
        """
        super().calibrate(images)
        size = self.whitening.kernel_size[0]
        patches = functional.unfold(self.normalise(images), size).transpose(1, 2).reshape(-1, 3 * size * size)
        patches = (patches - patches.mean(0)).cpu().double()  # Apple's GPU has no float64
        values, vectors = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (vectors / (values + 5e-4).sqrt()).T.reshape(-1, 3, size, size).float()
        self.whitening.weight.copy_(torch.cat([filters, -filters]))

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        x = functional.gelu(self.whitening(self.normalise(images)))
        seen = {}
        for number, block in enumerate(self.blocks, start=1):
            x = block(x)
            seen[f"block{number}"] = x
        return {**seen, "penultimate": x.amax((2, 3))}

    def classify(self, penultimate: Tensor) -> Tensor:
        return self.head(penultimate) * self.output_scale  # type: ignore[no-any-return]

    def first_filters(self) -> Tensor:
        """The linear part of the first learned convolution, behind the frozen whitening: [f, 3, 4, 4].

        The whitening's filters come as pairs w, -w, and gelu(z) = z/2 + an even function of z. So a pair's
        two channels g+ = gelu(z), g- = gelu(-z), weighed by W+ and W-, give (W+ - W-) z/2 plus something that
        is the same for z and -z, that is, for an image patch and its negative. What tells a patch from its
        negative is therefore linear in the pixels: the filters w, weighed by (W+ - W-)/2 and laid over each
        other, 2x2 patches at 3x3 places.
        """
        first = self._first_block()
        plus, minus = _weight(first[0]).chunk(2, dim=1)
        patches = self.whitening.weight[: plus.shape[1]]
        linear = functional.conv_transpose2d((plus - minus) / 2, patches)
        return _scaled(linear, first[2], self.get_buffer("std"))

    def first_maps(self, images: Tensor) -> Tensor:
        first = self._first_block()[:4]
        return first(functional.gelu(self.whitening(self.normalise(images))))  # type: ignore[no-any-return]

    def _first_block(self) -> nn.Sequential:
        """Begins with convolution, pooling, norm, GELU."""
        block = self.blocks[0]
        assert isinstance(block, nn.Sequential)
        return block


def _conv_block(inside: int, outside: int) -> nn.Sequential:
    """Two 3x3 convolutions, the first followed by pooling; norms without a learned scale."""

    def convolution(channels: int) -> nn.Conv2d:
        layer = nn.Conv2d(channels, outside, 3, padding=1, bias=False)
        nn.init.dirac_(layer.weight[: layer.in_channels])  # starts out passing its input on
        return layer

    def norm() -> nn.BatchNorm2d:
        layer = nn.BatchNorm2d(outside, momentum=0.4)
        layer.weight.requires_grad_(False)
        return layer

    return nn.Sequential(
        convolution(inside), nn.MaxPool2d(2, ceil_mode=True), norm(), nn.GELU(),
        convolution(outside), norm(), nn.GELU(),
    )  # fmt: skip


def whitened_cnn(classes: int) -> Network:
    """The network of the `quick` recipe, d = 64."""
    return Whitened(classes)


def whitened_wide(classes: int) -> Network:
    """The network of the `instant` recipe, at the published widths; d = 256."""
    return Whitened(classes, (64, 256, 256))


def build(name: str, classes: int, seed: int, device: torch.device | None = None) -> Network:
    """A registered network with freshly drawn weights; the same seed draws the same weights anywhere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: Network = MODELS[name].load()(classes)
    return network.to(memory_format=torch.channels_last).to(device)
