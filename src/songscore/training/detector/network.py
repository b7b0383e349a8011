"""The voice detector as a PyTorch module, and its translation into plain arrays.

Input ``(batch, n_frames, N_MELS)`` levelled log-mel, output ``(batch, n_frames // 2, 5)`` logits of the `KINDS` of
sound. The same arithmetic in numpy is `songscore.features.detector.VoiceDetector`; `arrays` writes what it reads, with
the batch normalisations folded into the convolutions before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from songscore.features.detector import DILATIONS, FRAMES_PER_STEP, KINDS, N_CONVOLUTIONS, time_strides
from songscore.features.spectrum import N_MELS

CHANNELS = (16, 32, 48, 64)
WIDTH = 96


class VoiceNetwork(nn.Module):
    """Four 3x3 convolutions over time and frequency, then dilated convolutions over time.

    Before the last of these every step is told what was heard on average, and at most, in the whole excerpt, as in the
    squeeze and excitation of Hu et al. 2018: a voice that holds a note somewhere sings, one that never does speaks.

    Parameters
    ----------
    channels : tuple of int
        Output channels of the 3x3 convolutions, each of which halves the number of bands.
    width : int
        Channels of the convolutions over time.
    dropout : float
        Share of the inputs of each residual block that is dropped in training.
    steps_at_once : int
        Steps for which the last layers answer together, 1 or 2: with 2 they have half as much to do.
    """

    def __init__(
        self, channels: tuple[int, ...] = CHANNELS, width: int = WIDTH, dropout: float = 0.1, steps_at_once: int = 1
    ) -> None:
        super().__init__()
        depths = (2, *channels[:-1])
        self.convolutions = nn.ModuleList(
            nn.Conv2d(i, o, 3, padding=1, bias=False, stride=(t, 2))
            for i, o, t in zip(depths, channels, time_strides(steps_at_once), strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for o in channels)
        self._channels = channels[-1]
        bands = N_MELS // 2 ** len(channels)
        self.join = nn.Conv1d(channels[-1] * bands, width, 1, bias=False)
        self.join_norm = nn.BatchNorm1d(width)
        self.context = nn.ModuleList(nn.Conv1d(width, width, 3, padding=d, dilation=d, bias=False) for d in DILATIONS)
        self.context_norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in DILATIONS)
        self.everywhere = nn.Conv1d(2 * width, width, 1, bias=False)
        self.everywhere_norm = nn.BatchNorm1d(width)
        self.head = nn.Conv1d(width, steps_at_once * len(KINDS), 1)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.stack([x, x - x.mean(1, keepdim=True)], 1)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            h = functional.relu(norm(convolution(h)))
        h = h.transpose(2, 3).flatten(1, 2)
        h = functional.relu(self.join_norm(self.join(h)))
        for i, (convolution, norm) in enumerate(zip(self.context, self.context_norms, strict=True)):
            if i == len(DILATIONS) - 1:
                pooled = torch.cat([h.mean(2, keepdim=True), h.amax(2, keepdim=True)], 1)
                h = h + functional.relu(self.everywhere_norm(self.everywhere(pooled)))
            h = h + functional.relu(norm(convolution(self.dropout(h))))
        logits: Tensor = self.head(h)
        steps = logits.transpose(1, 2).reshape(len(x), -1, len(KINDS))
        return steps[:, : -(-x.shape[1] // FRAMES_PER_STEP)]

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The weights in the layout of `VoiceDetector`, batch normalisation folded in."""
        out: dict[str, NDArray[np.float32]] = {}
        for i, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            weight, bias = _fold(convolution, norm)
            # (out, in, time, band) becomes (time * band * in, out)
            out[f"conv{i}.weight"] = _numpy(weight.permute(2, 3, 1, 0).flatten(0, 2))
            out[f"conv{i}.bias"] = _numpy(bias)
        weight, bias = _fold(self.join, self.join_norm)
        # inputs come as (channel, band) here and as (band, channel) there
        weight = weight.reshape(len(weight), self._channels, -1).permute(2, 1, 0).flatten(0, 1)
        out["join.weight"], out["join.bias"] = _numpy(weight), _numpy(bias)
        for i, (convolution, norm) in enumerate(zip(self.context, self.context_norms, strict=True)):
            weight, bias = _fold(convolution, norm)
            out[f"context{i}.weight"], out[f"context{i}.bias"] = _numpy(weight.permute(2, 1, 0)), _numpy(bias)
        weight, bias = _fold(self.everywhere, self.everywhere_norm)
        out["everywhere.weight"], out["everywhere.bias"] = _numpy(weight[:, :, 0].T), _numpy(bias)
        out["head.weight"] = _numpy(self.head.weight[:, :, 0].T)
        out["head.bias"] = _numpy(self.head.get_parameter("bias"))
        return out

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[np.float32]]) -> Self:
        """The network that these `arrays` are of, to be used and not to be trained: its normalisations do nothing."""
        outputs = tuple(len(arrays[f"conv{i}.bias"]) for i in range(N_CONVOLUTIONS))
        steps_at_once = len(arrays["head.bias"]) // len(KINDS)
        network = cls(outputs, len(arrays["join.bias"]), steps_at_once=steps_at_once)
        inputs = (2, *outputs)
        for i, (convolution, norm) in enumerate(zip(network.convolutions, network.norms, strict=True)):
            weight = _tensor(arrays[f"conv{i}.weight"]).reshape(3, 3, inputs[i], outputs[i]).permute(3, 2, 0, 1)
            _unfold(convolution, norm, weight, arrays[f"conv{i}.bias"])
        weight = _tensor(arrays["join.weight"]).reshape(-1, outputs[-1], len(arrays["join.bias"])).permute(2, 1, 0)
        _unfold(network.join, network.join_norm, weight.flatten(1)[:, :, None], arrays["join.bias"])
        for i, (convolution, norm) in enumerate(zip(network.context, network.context_norms, strict=True)):
            weight = _tensor(arrays[f"context{i}.weight"]).permute(2, 1, 0)
            _unfold(convolution, norm, weight, arrays[f"context{i}.bias"])
        weight = _tensor(arrays["everywhere.weight"]).T[:, :, None]
        _unfold(network.everywhere, network.everywhere_norm, weight, arrays["everywhere.bias"])
        network.head.weight.data = _tensor(arrays["head.weight"]).T[:, :, None]
        network.head.get_parameter("bias").data = _tensor(arrays["head.bias"])
        return network.eval()


def _fold(layer: Any, norm: Any) -> tuple[Tensor, Tensor]:
    weight: Tensor = layer.weight
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return weight * scale.reshape(-1, *[1] * (weight.dim() - 1)), norm.bias - norm.running_mean * scale


def _unfold(layer: Any, norm: Any, weight: Tensor, bias: NDArray[np.float32]) -> None:
    """Give a layer the weight, and the normalisation behind it the bias and nothing else to do."""
    layer.weight.data = weight.contiguous()
    norm.running_mean.zero_()
    norm.running_var.fill_(1 - norm.eps)
    norm.weight.data.fill_(1)
    norm.bias.data = _tensor(bias)


def _tensor(array: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.array(array, np.float32))


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), np.float32)
