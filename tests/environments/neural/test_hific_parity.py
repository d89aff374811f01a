"""HiFiC against what the public implementation gives under the recipe's weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from parity_recipe import PARITY, crc32, facts, recipe_tensors
from scipy.special import expit, ndtr

from medroi.inner.neural import near
from medroi.inner.neural.hific import prior
from medroi.inner.neural.hific.network import coding, loading
from medroi.inner.neural.hific.network.coding import Setting
from medroi.inner.neural.tables import gaussian_tables, scale_edges

SETTINGS = {
    "pad": Setting(False, "gaussian"),
    "norm": Setting(True, "gaussian"),
    "logistic": Setting(False, "logistic"),
}


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    """The recipe's weights, which take some seconds to make."""
    return recipe_tensors("hific")


@pytest.fixture(scope="module")
def colour(tensors: dict[str, np.ndarray]) -> loading.Networks:
    """Networks for colour images, as published, in single precision."""
    sizes = loading.sizes_of(tensors)
    return loading.Networks(
        loading.loaded(loading.Transforms, sizes, tensors, torch.float32),
        loading.loaded(loading.LatentModel, sizes, tensors, torch.float32),
        prior.hyper_tables(tensors),
        sizes,
    )


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    """Everything that was measured."""
    with np.load(PARITY / "hific.npz") as file:
        return {name: file[name] for name in file.files}


def image_of(expected: dict[str, np.ndarray], case: str) -> torch.Tensor:
    image = torch.from_numpy(expected[f"{case}/input_u8"]).float() / 255
    return (2 * image - 1 if SETTINGS[case].normalize else image)[None]


def every(array: np.ndarray, step: int) -> np.ndarray:
    return array.reshape(-1)[::step]


def close(found: torch.Tensor | np.ndarray, wanted: np.ndarray, slack: float) -> bool:
    return np.abs(np.asarray(found, np.float64).reshape(wanted.shape) - wanted).max() <= slack


def test_the_recipe_gives_the_reference_weights(
    tensors: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> None:
    names = [entry[0] for entry in facts("hific")["tensors"]]
    assert [crc32(tensors[name]) for name in names] == expected["weight_crc32"].tolist()


def test_the_layout_is_the_public_one(tensors: dict[str, np.ndarray]) -> None:
    from medroi.inner.neural.hific.sizes import LAYOUT

    listed = {entry[0]: tuple(entry[1]) for entry in facts("hific")["tensors"]}
    assert dict(LAYOUT.shapes(tensors)) == listed


@torch.no_grad()
def test_every_stage_gives_the_reference_outputs(
    colour: loading.Networks, expected: dict[str, np.ndarray]
) -> None:
    image = torch.nn.functional.pad(image_of(expected, "pad"), (0, 14, 0, 10), mode="reflect")
    latents = colour.transforms.Encoder(image)
    assert close(latents, expected["pad/y"], 3e-4)
    given = torch.from_numpy(expected["pad/y"])
    assert close(coding.pad_latents(given), expected["pad/y_padded"], 0)
    hyper = colour.model.hyper(torch.from_numpy(expected["pad/y_padded"]))
    assert close(hyper, expected["pad/z"], 3e-4)
    symbols = torch.from_numpy(expected["pad/z_symbols"]).float()
    means, deviations = colour.model.expected(symbols)
    assert close(means, expected["pad/mu"], 3e-4)
    assert close(deviations.clamp(min=0.11), expected["pad/scale"], 3e-4)
    decoded = torch.from_numpy(expected["pad/y_hat"])
    drawn = colour.transforms.Generator(decoded)[..., :150, :130]
    assert close(drawn, expected["pad/x_hat"], 1e-4)


@torch.no_grad()
@pytest.mark.parametrize("case", ["norm", "logistic"])
def test_other_settings_give_the_reference_outputs(
    colour: loading.Networks, expected: dict[str, np.ndarray], case: str
) -> None:
    latents = colour.transforms.Encoder(image_of(expected, case))
    assert close(every(latents.numpy(), 11), expected[f"{case}/y@11"], 3e-4)
    hyper = colour.model.hyper(coding.pad_latents(latents))
    assert close(every(hyper.numpy(), 3), expected[f"{case}/z@3"], 3e-4)
    means, _ = colour.model.expected(torch.floor(hyper + 0.5))
    assert close(every(means.numpy(), 11), expected[f"{case}/mu@11"], 3e-4)
    symbols = torch.floor((latents + 0.5) - means)
    assert np.sum(symbols.numpy().astype(int) != expected[f"{case}/y_symbols"]) <= 2
    decoded = torch.from_numpy(expected[f"{case}/y_symbols"]).float() + means
    drawn = colour.transforms.Generator(decoded)
    if SETTINGS[case].normalize:
        drawn = torch.tanh(drawn)
    assert close(every(drawn.numpy(), 7), expected[f"{case}/x_hat@7"], 1e-4)


@torch.no_grad()
def test_running_freely_gives_the_reference_symbols_and_rows(
    colour: loading.Networks, expected: dict[str, np.ndarray]
) -> None:
    image = torch.nn.functional.pad(image_of(expected, "pad"), (0, 14, 0, 10), mode="reflect")
    latents = coding.pad_latents(colour.transforms.Encoder(image))
    hyper = torch.floor(colour.model.hyper(latents) + 0.5)
    assert np.array_equal(hyper.numpy().astype(int), expected["pad/z_symbols"])
    means, deviations = colour.model.expected(hyper)
    symbols = torch.floor((latents + 0.5) - means).numpy().astype(int)
    assert np.sum(symbols != expected["pad/y_symbols"]) <= 2
    rows = near.between(deviations.double().numpy(), scale_edges()[:-1])
    wrong = rows != expected["pad/scale_index"]
    assert wrong.mean() <= 2e-4
    assert np.abs(rows[wrong] - expected["pad/scale_index"][wrong].astype(int)).max(initial=0) <= 1


def likelihoods(case: str, symbols: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Probability of each symbol under its distribution around 0."""
    upper, lower = ((side - np.abs(symbols)) / np.maximum(deviations, 0.11) for side in (0.5, -0.5))
    if SETTINGS[case].likelihood == "logistic":
        return expit(upper) - expit(lower)
    return ndtr(upper) - ndtr(lower)


@pytest.mark.parametrize("case", SETTINGS)
def test_real_bytes_are_within_two_percent_of_the_likelihoods(
    colour: loading.Networks, expected: dict[str, np.ndarray], case: str
) -> None:
    symbols = expected[f"{case}/y_symbols"].astype(np.int32)
    if case == "pad":
        image = torch.nn.functional.pad(image_of(expected, case), (0, 14, 0, 10), mode="reflect")
    else:
        image = image_of(expected, case)
    with torch.no_grad():
        latents = coding.pad_latents(colour.transforms.Encoder(image))
        hyper = torch.floor(colour.model.hyper(latents) + 0.5)
        deviations = colour.model.expected(hyper)[1].double().numpy()
    chances = likelihoods(case, symbols, deviations)
    bits = float(expected[f"{case}/forward_latent_bits"])
    # The public figure gives symbols far out 2^-30 and no less.
    assert -np.log2(np.maximum(chances, 1e-9) + 1e-9).sum() == pytest.approx(bits, rel=1e-3)
    rows = near.between(deviations, scale_edges()[:-1])
    table = SETTINGS[case].tables()
    coded = table.encode(symbols, rows)
    assert np.array_equal(table.decode(coded, rows), symbols)
    assert len(coded) * 8 <= bits * 1.02
    usual = chances > 2.0**-12
    assert usual.mean() > 0.9
    ideal = -np.log2(chances[usual]).sum()
    assert table.bits(symbols[usual], rows[usual]) == pytest.approx(ideal, rel=0.02)
    integers = hyper[0].numpy().astype(np.int32)
    coded = colour.hyper_tables.encode(integers, coding._hyper_rows(integers.shape))
    bits = float(expected[f"{case}/forward_hyper_bits"])
    assert len(coded) * 8 == pytest.approx(bits, rel=0.02)


def test_tables_agree_with_the_public_ones_within_their_rounding(
    colour: loading.Networks, expected: dict[str, np.ndarray]
) -> None:
    ours = colour.hyper_tables
    for channel in range(0, 320, 13):
        length = int(expected["z_cdf_length"][channel])
        theirs = np.diff(expected["z_cdf"][channel, :length])[:-1]
        first = int(expected["z_cdf_offset"][channel])
        own = np.diff(ours.cdf[channel, : ours.lengths[channel]].astype(np.int64))[:-1]
        start = int(ours.offsets[channel])
        low, high = max(first, start), min(first + theirs.size, start + own.size)
        assert high - low > 2
        pair = own[low - start : high - start], theirs[low - first : high - first]
        # The public rows give what lies outside to one escape of fixed size.
        assert np.abs(pair[0] - pair[1]).max() <= 0.012 * 65536


def test_logistic_rows_follow_the_logistic_distribution() -> None:
    table = prior.logistic_tables()
    for number, scale in enumerate(scale_edges()):
        length, offset = int(table.lengths[number]), int(table.offsets[number])
        symbols = np.arange(offset, offset + length - 2)
        found = np.diff(table.cdf[number, :length].astype(np.int64))[:-1] / 65536
        upper, lower = (symbols + 0.5) / scale, (symbols - 0.5) / scale
        wanted = (np.tanh(upper / 2) - np.tanh(lower / 2)) / 2
        assert np.all(np.abs(found - wanted) <= wanted * (length / 65536) + 2 / 65536)
    assert table.lengths[-1] > gaussian_tables().lengths[-1] and math.isfinite(table.crc)
