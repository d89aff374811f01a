"""BCM-Net: parameters of a mixture of logistics for every residual of a slice.

Liu et al., "Bilateral Context Modeling for Residual Coding in Lossless 3D Medical Image
Compression"; written from what the paper and facts about its public checkpoints say.
"""

from __future__ import annotations

from dataclasses import dataclass

from medroi.inner.neural.bcmnet.layers import Layers, Tensor

COMPONENTS = 10
_BLOCKS = 8
# First row and column of each of the four sub-images, in coding order.
SUB_IMAGES = ((0, 0), (1, 1), (0, 1), (1, 0))


@dataclass(frozen=True)
class Context:
    """Context of a slice in the entropy model before its first residual, with the steps to it.

    Attributes
    ----------
    ctx : Tensor
        [N, 120, H/2, W/2].
    features : dict of str to Tensor
        The features on the way, for tests.
    """

    ctx: Tensor
    features: dict[str, Tensor]


def extract(layers: Layers, image: Tensor) -> Tensor:
    """Features [N, 64, H/2, W/2] of scaled images [N, 1, H, W]."""
    net = layers["net"]
    x = layers.leaky(net[0].conv(image))
    for number, stride in ((2, 2), (3, 1)):
        block = net[number]
        x = block["head"].conv(x, stride=stride)
        x = block["tail"].conv(x + block["res_blocks"].chain(x, _BLOCKS))
    return net[4].conv(x)


def _intra(layers: Layers, x: Tensor, features: dict[str, Tensor]) -> Tensor:
    """Context from the slice itself: fusion, attention in a warped frame."""
    import torch

    fusion, affine = layers["local_fusion"], layers["affine_transform"]
    atrous = [fusion["atrous_convs"][i].conv(x, dilation=2**i) for i in range(3)]
    y = x + fusion["output_conv"].conv(torch.cat(atrous, 1))
    theta = affine.theta(y)
    y = affine.warp(y, theta)
    attention = layers["criss_cross_self_attn"].criss_cross(layers["norm_before_attn"].norm(y))
    normal = layers["norm_after_attn"].norm(attention)
    y = layers["feed_forward"].feed_forward(torch.cat([y, normal], 1))
    # The public network's inverse: the 2x2 part transposed, the translation negated.
    inverse = torch.cat([theta[:, :, :2].transpose(1, 2), -theta[:, :, 2:]], 2)
    y = affine.warp(y, inverse)
    features |= {"theta": theta.flatten(1), "criss_cross": attention}
    return x + layers["bottom"].chain(y, 2)


def _inter(
    layers: Layers, x: Tensor, references: tuple[Tensor, Tensor], features: dict[str, Tensor]
) -> Tensor:
    """Context from the two neighbouring slices."""
    import torch

    normals = tuple(
        layers[f"norm_before_attn_ref_{i}"].norm(r) for i, r in enumerate(references, 1)
    )
    attention = layers["bidirectional_cross_attn"].cross(
        layers["norm_before_attn_x"].norm(x), (normals[0], normals[1])
    )
    normal = layers["norm_after_attn"].norm(attention)
    features["cross"] = attention
    return x + layers["feed_forward"].feed_forward(torch.cat([x, normal], 1))


def context(network: Layers, lossy: Tensor, references: tuple[Tensor, Tensor] | None) -> Context:
    """Context of slices.

    Parameters
    ----------
    network : Layers
        The whole network.
    lossy : Tensor
        Lossy reconstructions, divided by the largest value of their bit depth, [N, 1, H, W]; H
        and W even.
    references : two Tensors, optional
        Forward and backward neighbour of each slice, scaled alike; None where there is none.
    """
    import torch

    i2cg = network["i2cg"]
    x = extract(network["feats_extract_lossy_rec"], lossy)
    features = {"lossy_feats": x}
    x = i2cg["lossy_res_blocks"].chain(x, _BLOCKS)
    intra = _intra(i2cg["symmetry_based_intra_slice_ctx_generation"], x, features)
    features["intra_ctx"] = intra
    if references is None:
        ctx = i2cg["ctx_fusion_head_wo_ref"][0].conv(intra)
    else:
        found = []
        for name, reference in zip(("forward", "backward"), references, strict=True):
            feats = extract(network[f"feats_extract_{name}_ref"], reference)
            features[f"{name}_feats"] = feats
            found.append(i2cg[f"{name}_res_blocks"].chain(feats, _BLOCKS))
        inter = _inter(
            i2cg["bidirectional_inter_slice_ctx_generation"], x, (found[0], found[1]), features
        )
        features["inter_ctx"] = inter
        ctx = i2cg["ctx_fusion_head_with_ref"][0].conv(torch.cat([intra, inter], 1))
    ctx = i2cg["ctx_fusion_body"].chain(network.leaky(ctx), _BLOCKS)
    return Context(ctx, features | {"ctx": ctx})


def parameters(network: Layers, ctx: Tensor, earlier: Tensor | None) -> Tensor:
    """Parameters of the next sub-image.

    Parameters
    ----------
    network : Layers
        The whole network.
    ctx : Tensor
        `Context.ctx`.
    earlier : Tensor, optional
        Residuals of the sub-images before it, [N, 1 to 3, H/2, W/2]; None before the first.

    Returns
    -------
    Tensor
        [N, 30, H/2, W/2]: 10 logits, 10 means, 10 logarithms of scales.
    """
    import torch

    models = network["entropy_models"]
    number = 0 if earlier is None else earlier.shape[1]
    if earlier is not None:
        auto = models["auto_ctx_extraction"][number - 1].three_convs(earlier)
        ctx = torch.cat([ctx, auto], 1)
    return models["params_estimator"][number].three_convs(ctx)
