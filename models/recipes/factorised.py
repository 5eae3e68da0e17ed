"""Convolution weights as products U diag(sigma) V whose singular vectors two networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SharedVectors(nn.Module):
    """W_p = U_p diag(sigma) V_p for each kernel position p, with one sigma per member.

    Starts at the thin singular value decomposition of `weight` (C_out, C_in, k_h, k_w), the same sigma for each of
    `members`. U and V are trained freely, so that after training sigma are plain diagonal weights. Guo et al.,
    arXiv:2305.02099; their code reshapes where it should permute, which matters only for weights that are not random.
    """

    def __init__(self, weight: Tensor, members: tuple[str, ...]) -> None:
        super().__init__()
        self.kernel = tuple(weight.shape[2:])
        u, sigma, v = torch.linalg.svd(weight.detach().permute(2, 3, 0, 1).flatten(0, 1), full_matrices=False)
        self.u, self.v = nn.Parameter(u.contiguous()), nn.Parameter(v.contiguous())
        self.sigma = nn.ParameterDict({m: nn.Parameter(sigma.clone()) for m in members})

    def weight(self, member: str) -> Tensor:
        """The convolution weight of a member, multiplied out."""
        product = (self.u * self.sigma[member][:, None, :]) @ self.v
        weight: Tensor = product.unflatten(0, self.kernel).permute(2, 3, 0, 1)
        return weight
