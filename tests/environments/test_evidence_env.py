"""The evidence of `medroi compare` agrees with programs that others wrote for the same figures."""

from __future__ import annotations

import mirp
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sewar.full_ref import vifp

from medroi.compare.evidence import fidelity, texture


def smooth(shape: tuple[int, ...], seed: int) -> np.ndarray:
    sigma = (0,) * (len(shape) - 2) + (2, 2)
    values = gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return (values - values.min()) / np.ptp(values)


@pytest.mark.parametrize("sigma", [2, 10])
def test_vif_is_that_of_sewar(sigma: int) -> None:
    original = 255 * smooth((96, 112), 3)
    noise = np.random.default_rng(4).normal(0, sigma, original.shape)
    decoded = np.clip(gaussian_filter(original, sigma / 5) + noise, 0, 255)
    assert fidelity.vif(original, decoded) == pytest.approx(vifp(original, decoded), rel=1e-9)


def test_features_are_those_of_mirp() -> None:
    levels = np.floor(texture.N_LEVELS * 0.99999 * smooth((3, 40, 44), 7))
    mask = np.zeros(levels.shape, bool)
    mask[:, 4:36, 6:40] = True
    table = mirp.extract_features(
        image=levels,
        mask=mask.astype(int),
        by_slice=True,
        base_discretisation_method="fixed_bin_size",
        base_discretisation_bin_width=1.0,
        resegmentation_intensity_range=[0.0, float(texture.N_LEVELS)],
        base_feature_families=["cm", "stat"],
        glcm_spatial_method="2.5d_volume_merge",
        glcm_distance=1.0,
    )[0]
    found = texture.features_of(levels, mask, 0, texture.N_LEVELS)
    ending = "_d1_2.5d_v_mrg_fbs_w1.0"
    assert found.mean == pytest.approx(table["stat_mean"].iloc[0], rel=1e-6)
    assert found.sd**2 == pytest.approx(table["stat_var"].iloc[0], rel=1e-6)
    assert found.contrast == pytest.approx(table[f"cm_contrast{ending}"].iloc[0], rel=1e-6)
    assert found.energy == pytest.approx(table[f"cm_energy{ending}"].iloc[0], rel=1e-6)
