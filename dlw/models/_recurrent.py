"""One LSTM or GRU layer that trains at torch's speed and exports with a free number of steps.

torch.export cannot trace nn.LSTM and nn.GRU with any number of steps, and the ONNX exporter silently fixes it; so an
export writes the cell's equations under a scan with the same weights.
Shape legend: B rows, T steps, D width in, H units, G gates of H units each.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Recurrent(nn.Module):
    """[B, T, D] to the states [B, T, H] after each step, read forwards from a state of zeros."""

    def __init__(self, cell: str, size: int, width: int) -> None:
        super().__init__()
        self.cell, self.width = cell, width
        self.layer = (nn.LSTM if cell == "lstm" else nn.GRU)(size, width, batch_first=True)
        entry_GD, state_GH = self._weights("weight")
        for rows in torch.arange(len(entry_GD)).split(width):
            nn.init.xavier_uniform_(entry_GD.data[rows[0] : rows[-1] + 1])
            nn.init.orthogonal_(state_GH.data[rows[0] : rows[-1] + 1])
        for bias_G in self._weights("bias"):
            nn.init.zeros_(bias_G)
        if cell == "lstm":  # the gates are input, forget, new, output
            nn.init.ones_(self._weights("bias")[0].data[width : 2 * width])

    def _weights(self, what: str) -> tuple[Tensor, Tensor]:
        """Return the weights or biases of what is read and of the state before."""
        return self.layer.get_parameter(f"{what}_ih_l0"), self.layer.get_parameter(f"{what}_hh_l0")

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return [B, T, H]."""
        if torch.compiler.is_exporting():
            return self._scanned(x_BTD)
        state_BTH: Tensor = self.layer(x_BTD)[0]
        return state_BTH

    def _scanned(self, x_BTD: Tensor) -> Tensor:
        from torch._higher_order_ops.scan import scan

        (entry_GD, state_GH), (entry_G, bias_G) = self._weights("weight"), self._weights("bias")
        read_TBG = (x_BTD @ entry_GD.T + entry_G).transpose(0, 1)
        start_BH = read_TBG.new_zeros(read_TBG.shape[1], self.width)
        weight_HG = state_GH.T

        def lstm(carry: tuple[Tensor, Tensor], read_BG: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
            state_BH, cell_BH = carry
            entry_BH, forget_BH, new_BH, out_BH = (read_BG + state_BH @ weight_HG + bias_G).chunk(4, dim=-1)
            cell_BH = forget_BH.sigmoid() * cell_BH + entry_BH.sigmoid() * new_BH.tanh()
            state_BH = out_BH.sigmoid() * cell_BH.tanh()
            return (state_BH, cell_BH), state_BH.clone()

        def gru(state_BH: Tensor, read_BG: Tensor) -> tuple[Tensor, Tensor]:
            read_r, read_z, read_n = read_BG.chunk(3, dim=-1)
            old_r, old_z, old_n = (state_BH @ weight_HG + bias_G).chunk(3, dim=-1)
            new_BH = (read_n + (read_r + old_r).sigmoid() * old_n).tanh()
            keep_BH = (read_z + old_z).sigmoid()
            state_BH = keep_BH * state_BH + (1 - keep_BH) * new_BH
            return state_BH, state_BH.clone()

        start = (start_BH, start_BH.clone()) if self.cell == "lstm" else start_BH
        _, state_TBH = scan(lstm if self.cell == "lstm" else gru, start, read_TBG)
        return state_TBH.transpose(0, 1)
