"""One method on one region of one scan: bytes out, and voxels back."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

import medroi
from medroi.compare import published_wavelet
from medroi.compare.methods import PEER, Method
from medroi.compare.published_wavelet import SCALE_NBYTES, Scale
from medroi.compare.signal import Region
from medroi.compare.subject import Subject
from medroi.scans.stores.kept import kept_mask

Array = npt.NDArray[Any]


class Coding(abc.ABC):
    """Coder of a region; `encode` finds the region too, as it would for a user."""

    @abc.abstractmethod
    def encode(self) -> Any:
        """Return the bytes that would be written."""

    @abc.abstractmethod
    def nbytes(self, coded: Any) -> int:
        """All bytes of it: header, record, side data, payload."""

    @abc.abstractmethod
    def decode(self, coded: Any) -> Array:
        """An array of the scan's shape and dtype."""

    def trial(self) -> tuple[Any, Array]:
        """Return the decoded array, by the shortest way, and what was coded where something was."""
        coded = self.encode()
        return coded, self.decode(coded)

    @property
    @abc.abstractmethod
    def config(self) -> Mapping[str, Any]:
        """The inner codec's configuration."""


def coding_of(subject: Subject, region: str, method: Method) -> Coding:
    """The coding of one region of a scan with a method."""
    found = subject.regions[region]
    if method.inner == PEER:
        return PeerCoding(subject, found, method.config)
    return StreamCoding(subject.voxels, found.codec(dict(method.config)))


@dataclasses.dataclass(frozen=True)
class StreamCoding(Coding):
    """A stream of MedROI."""

    voxels: Array
    codec: medroi.MedROI

    def encode(self) -> bytes:
        """See `Coding.encode`."""
        return self.codec.encode(self.voxels)

    def nbytes(self, coded: bytes) -> int:
        """See `Coding.nbytes`."""
        return len(coded)

    def decode(self, coded: bytes) -> Array:
        """See `Coding.decode`."""
        return np.asarray(self.codec.decode(coded))

    @property
    def config(self) -> Mapping[str, Any]:
        """See `Coding.config`."""
        return dict(self.codec.get_config()["inner"])


@dataclasses.dataclass(frozen=True)
class PeerCoded:
    """A stream whose payload is raw, and what the peer would have stored in its place."""

    stream: bytes
    payload: bytes
    scale: Scale


@dataclasses.dataclass(frozen=True)
class PeerCoding(Coding):
    """The published wavelet in the place of an inner codec.

    It has MedROI's region, header and record around it; its 8 bits have one scale for all regions
    of a scan, which is charged to it.
    """

    subject: Subject
    region: Region
    settings: Mapping[str, Any]

    @property
    def _step(self) -> float:
        return float(self.settings["step"])

    @property
    def config(self) -> Mapping[str, Any]:
        """See `Coding.config`."""
        return self.settings

    def encode(self) -> PeerCoded:
        """See `Coding.encode`."""
        stream, block, scale = self._scaled()
        return PeerCoded(stream, published_wavelet.encode(block, self._step), scale)

    def nbytes(self, coded: PeerCoded) -> int:
        """See `Coding.nbytes`."""
        around = len(coded.stream) - medroi.inspect(coded.stream).payload_nbytes
        return around + SCALE_NBYTES + len(coded.payload)

    def decode(self, coded: PeerCoded) -> Array:
        """See `Coding.decode`."""
        info = medroi.inspect(coded.stream)
        shape = tuple(info.box[axis][1] - info.box[axis][0] for axis in self.subject.order)
        block = published_wavelet.decode(coded.payload, self._step, shape)
        return self._put_back(coded.stream, block, coded.scale)

    def trial(self) -> tuple[None, Array]:
        """See `Coding.trial`: without gzip -9, which takes longest."""
        stream, block, scale = self._scaled()
        return None, self._put_back(stream, published_wavelet.distorted(block, self._step), scale)

    def _scaled(self) -> tuple[bytes, Array, Scale]:
        codec = self.region.codec("raw")
        stream = codec.encode(self.subject.voxels)
        inside = tuple(slice(start, stop) for start, stop in medroi.inspect(stream).box)
        block = np.asarray(codec.decode(stream))[inside].transpose(self.subject.order)
        scale = Scale.of(self.subject.voxels)
        return stream, np.ascontiguousarray(scale.apply(block)), scale

    def _put_back(self, stream: bytes, block: Array, scale: Scale) -> Array:
        info = medroi.inspect(stream)
        voxels = self.subject.voxels
        whole = np.full(voxels.shape, info.background, voxels.dtype)
        inside = tuple(slice(start, stop) for start, stop in info.box)
        restored = scale.invert(block, voxels.dtype).transpose(np.argsort(self.subject.order))
        kept = kept_mask(stream, info)[inside]
        whole[inside][kept] = restored[kept]
        return whole
