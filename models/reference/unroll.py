"""A network run over all steps of a batch, each framework in its own way: the one place that tells them apart."""

from __future__ import annotations

from typing import cast

import torch

from seamount.models.reference.card import Card

Tensor = torch.Tensor


def unroll(model: torch.nn.Module, x: Tensor, card: Card) -> Tensor:
    """Outputs of all steps, (T, B, classes), for samples x: (B, *shape) constant or (B, T, *shape) sequence.

    A SpikingJelly network takes all steps at once. A norse SequentialState is run layer by layer, so that its batch
    norms see all steps of a batch together, as in threshold-dependent batch norm (Zheng et al., arXiv:2011.05280).
    Anything else is called step by step, model(x, state) -> (y, state). In evaluation all orders compute the same.
    """
    frames = None if card.encoding == "constant" else x.transpose(0, 1)
    if card.framework == "spikingjelly":
        return _at_once(model, x.expand(card.steps, *x.shape) if frames is None else frames)
    if hasattr(model, "stateful_layers"):
        return _by_layers(model, x, frames, card.steps)
    return _by_steps(model, x, frames, card.steps)


def _at_once(model: torch.nn.Module, frames: Tensor) -> Tensor:
    from spikingjelly.activation_based import functional

    functional.reset_net(model)
    outputs: Tensor = model(frames)
    return outputs


def _by_steps(model: torch.nn.Module, x: Tensor, frames: Tensor | None, steps: int) -> Tensor:
    state, outputs = None, []
    for t in range(steps if frames is None else len(frames)):
        y, state = model(x if frames is None else frames[t], state)
        outputs.append(y)
    return torch.stack(outputs)


def _by_layers(model: torch.nn.Module, x: Tensor, frames: Tensor | None, steps: int) -> Tensor:
    has_state = cast("list[bool]", model.stateful_layers)
    for layer, stateful in zip(model.children(), has_state, strict=True):
        if stateful:
            frames = _by_steps(layer, x, frames, steps)
        elif frames is None:
            x = layer(x)
        else:
            frames = layer(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
    return x.expand(steps, *x.shape) if frames is None else frames
