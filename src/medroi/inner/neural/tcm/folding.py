"""Networks for colour made into networks for gray: the same function at a third of the ends.

A gray slice enters a published network as three equal channels, and one channel of what comes
out is kept. Both ends are linear, so the sum of the three input channels and the choice of the
first output channel move into the weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Reals = npt.NDArray[np.float64]

_FIRST = ("g_a.0.conv1.weight", "g_a.0.skip.weight")
# Behind these the pixel shuffle takes four channels for one.
_LAST = ("g_s.9.0.weight", "g_s.9.0.bias")
_AUXILIARY_FIRST = "AuxT_enc.0."
_AUXILIARY_LAST = "AuxT_dec.3."
_N_BANDS = 4


def fold_gray(tensors: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, Reals]:
    """The tensors of a network of one image channel, in double precision.

    Parameters
    ----------
    tensors : mapping of str to ndarray
        Of a network of three image channels, or of one, which stays as it is.
    """
    folded = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    if folded[_FIRST[0]].shape[1] == 1:
        return folded
    for name in _FIRST:
        folded[name] = folded[name].sum(axis=1, keepdims=True)
    for name in _LAST:
        folded[name] = folded[name][:4]
    if f"{_AUXILIARY_FIRST}scaling_factors" in folded:
        _fold_auxiliary(folded)
    return folded


def _fold_auxiliary(folded: dict[str, Reals]) -> None:
    """Fold the ends of the auxiliary path, whose channels are sorted by band first."""
    scaling, weight = (
        f"{_AUXILIARY_FIRST}{name}" for name in ("scaling_factors", "OLP.linear.weight")
    )
    scaled = folded[weight] * np.exp(folded[scaling][0])
    folded[weight] = scaled.reshape(scaled.shape[0], _N_BANDS, -1).sum(axis=2)
    folded[scaling] = np.zeros((1, 1, _N_BANDS))
    n_channels = folded[f"{_AUXILIARY_LAST}scaling_factors"].shape[-1] // _N_BANDS
    for name, axis in (("scaling_factors", -1), ("OLP.linear.weight", 0), ("OLP.linear.bias", 0)):
        name = f"{_AUXILIARY_LAST}{name}"
        folded[name] = np.moveaxis(np.moveaxis(folded[name], axis, 0)[::n_channels], 0, axis)
