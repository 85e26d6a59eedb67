"""Optimisers and learning-rate schedules in explicit numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from core.configuration import TrainingConfig


class Muon(torch.optim.Optimizer):
    """Momentum whose step is orthogonalised, for convolution filters of a fixed norm.

    Jordan et al., Muon, 2024 (https://kellerjordan.github.io/posts/muon). torch's own takes matrices
    only; filters [out, in, h, w] are treated here as matrices [out, in*h*w].
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every filter."""
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                momentum = state["momentum_buffer"].mul_(group["momentum"]).add_(weight.grad)
                weight.mul_(math.sqrt(len(weight)) / weight.norm())
                direction = weight.grad + group["momentum"] * momentum
                weight.sub_(orthogonalise(direction) * group["lr"])


def orthogonalise(gradient: Tensor, steps: int = 3) -> Tensor:
    """A nearby semi-orthogonal matrix by the quintic Newton-Schulz iteration of Jordan et al. 2024."""
    matrix = gradient.reshape(len(gradient), -1)
    matrix = matrix / (matrix.norm() + 1e-7)
    tall = matrix.shape[0] > matrix.shape[1]
    matrix = matrix.T if tall else matrix
    for _ in range(steps):
        gram = matrix @ matrix.T
        matrix = 3.4445 * matrix + (2.0315 * gram @ gram - 4.7750 * gram) @ matrix
    step: Tensor = matrix.T if tall else matrix
    return step.reshape(gradient.shape)


def optimisers(network: nn.Module, training: TrainingConfig) -> list[torch.optim.Optimizer]:
    """SGD for everything; with `muon`, the convolution filters go to Muon instead.

    Weight decay is relative to the loss: a group with a higher rate has a lower decay, so that what a
    step takes off a weight stays the same.
    """
    shifts, head, filters, others = [], [], [], []
    for module, weight in _trainable(network):
        if isinstance(module, nn.BatchNorm2d) and weight is module.bias:
            shifts.append(weight)
        elif isinstance(module, nn.Linear):
            head.append(weight)
        elif isinstance(module, nn.Conv2d) and weight is module.weight and training.optimizer == "muon":
            filters.append(weight)
        else:
            others.append(weight)
    factors = ((others, 1.0), (shifts, training.norm_bias_lr_factor), (head, training.head_lr_factor))
    groups = [
        {"params": group, "lr": training.lr * factor, "weight_decay": training.weight_decay / factor}
        for group, factor in factors
        if group
    ]
    chosen: list[torch.optim.Optimizer] = [
        torch.optim.SGD(groups, lr=training.lr, momentum=training.momentum, nesterov=training.nesterov, fused=True)
    ]
    if filters:
        chosen.append(Muon(filters, training.muon_lr, training.muon_momentum))
    return chosen


def _trainable(network: nn.Module) -> Iterator[tuple[nn.Module, nn.Parameter]]:
    for module in network.modules():
        for weight in module.parameters(recurse=False):
            if weight.requires_grad:
                yield module, weight


def rate(training: TrainingConfig, progress: float) -> float:
    """The learning rate as a share of its peak, at progress in [0, 1) of all steps."""
    if training.schedule == "step":
        return float(0.1 ** sum(progress >= milestone for milestone in training.milestones))
    if progress < training.peak:
        return 0.2 + 0.8 * progress / training.peak
    return (1 - progress) / (1 - training.peak)
