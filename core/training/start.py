"""The state that an epoch starts from, so that one which failed on its way can be done again as if nothing had been."""

from __future__ import annotations

import torch
from torch import Tensor

from core.training.models import Network


class Start:
    """Copies of a network's weights and buffers and of its optimisers' momenta, on their device."""

    def __init__(self, network: Network, chosen: list[torch.optim.Optimizer]) -> None:
        self.network, self.chosen = network, chosen
        self.copies: dict[object, Tensor] = {}

    @torch.no_grad()
    def keep(self) -> None:
        """Take the state as it is now; from the second epoch on this needs no further memory."""
        for name, tensor in self._now().items():
            if name in self.copies:
                self.copies[name].copy_(tensor)
            else:
                self.copies[name] = tensor.detach().clone()

    @torch.no_grad()
    def restore(self) -> None:
        """Put the state back that was taken last."""
        for name, tensor in self._now().items():
            if name in self.copies:
                tensor.copy_(self.copies[name])
        for number, optimiser in enumerate(self.chosen):
            for weight in list(optimiser.state):
                if (number, id(weight)) not in self.copies:
                    del optimiser.state[weight]  # its momentum came with the epoch

    def _now(self) -> dict[object, Tensor]:
        found: dict[object, Tensor] = {}
        found.update(self.network.state_dict())
        for number, optimiser in enumerate(self.chosen):
            for weight, state in optimiser.state.items():
                if (momentum := state.get("momentum_buffer")) is not None:
                    found[number, id(weight)] = momentum
        return found
