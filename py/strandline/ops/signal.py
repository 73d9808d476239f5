"""Signals: windows, Fourier transforms, the mel scale."""

from __future__ import annotations

from strandline._lazy import np
from strandline.onnx.types import TensorType
from strandline.ops.cast import convert, element_type
from strandline.ops.registry import Array, Attrs, op
from strandline.ops.rules import Inputs, Types, axis_of, need, value


def _window(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    size = value(inputs, 0)
    return None if size is None else [TensorType(element_type(attrs["output_datatype"]), size[:1])]


def _cosines(size: Array, weights: tuple[float, ...], periodic: int, output: int) -> Array:
    """A sum of cosines over one period, with the last point left out when `periodic`."""
    count = int(size.item())
    phase = 2 * np.pi * np.arange(count) / (count if periodic else max(count - 1, 1))
    total = sum(w * np.cos(k * phase) for k, w in enumerate(weights))
    return convert(np.asarray(total, np.float64), element_type(output))


@op("HannWindow", since=17, shape=_window)
def hann_window(size: Array, *, output_datatype: int = 1, periodic: int = 1) -> Array:
    return _cosines(size, (0.5, -0.5), periodic, output_datatype)


@op("HammingWindow", since=17, shape=_window)
def hamming_window(size: Array, *, output_datatype: int = 1, periodic: int = 1) -> Array:
    return _cosines(size, (25 / 46, -21 / 46), periodic, output_datatype)


@op("BlackmanWindow", since=17, shape=_window)
def blackman_window(size: Array, *, output_datatype: int = 1, periodic: int = 1) -> Array:
    return _cosines(size, (0.42, -0.5, 0.08), periodic, output_datatype)


def _pairs(x: Array) -> Array:
    """Complex numbers as a last axis of (real, imaginary)."""
    return np.stack((x.real, x.imag), axis=-1)


def _dft_shape(
    x: TensorType, length: int | None, axis: int, onesided: int, inverse: int
) -> TensorType:
    shape = list(x.shape)
    axis = axis_of(axis, len(shape))
    real = bool(onesided and inverse)
    size = length or (2 * (shape[axis] - 1) if real else shape[axis])
    shape[axis] = size // 2 + 1 if onesided and not inverse else size
    shape[-1] = 1 if real else 2
    return TensorType(x.dtype, tuple(shape))


def _dft(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    length = value(inputs, 1) if len(inputs) > 1 and inputs[1] is not None else ()
    axis = value(inputs, 2) if len(inputs) > 2 and inputs[2] is not None else (-2,)
    if length is None or axis is None:
        return None
    x = need(inputs, 0)
    size = length[0] if length else None
    return [_dft_shape(x, size, axis[0], attrs["onesided"], attrs["inverse"])]


@op("DFT", since=20, shape=_dft)
def dft(
    x: Array,
    dft_length: Array | None = None,
    axis: Array | None = None,
    *,
    inverse: int = 0,
    onesided: int = 0,
) -> Array:
    """The last axis holds real numbers (size 1) or complex ones (size 2)."""
    along = axis_of(-2 if axis is None else int(axis.item()), x.ndim)
    values = x[..., 0] if x.shape[-1] == 1 else x[..., 0] + 1j * x[..., 1]
    length = None if dft_length is None else int(dft_length.item())
    if onesided and inverse:
        return np.fft.irfft(values, length, along)[..., None].astype(x.dtype)
    transform = np.fft.rfft if onesided else np.fft.ifft if inverse else np.fft.fft
    return _pairs(transform(values, length, along)).astype(x.dtype)


def _dft_17(inputs: Inputs, attrs: Attrs, n: int) -> Types | None:
    length = value(inputs, 1) if len(inputs) > 1 and inputs[1] is not None else ()
    if length is None:
        return None
    size = length[0] if length else None
    return [_dft_shape(need(inputs, 0), size, attrs["axis"], attrs["onesided"], attrs["inverse"])]


@op("DFT", since=17, shape=_dft_17)
def dft_17(
    x: Array,
    dft_length: Array | None = None,
    *,
    axis: int = 1,
    inverse: int = 0,
    onesided: int = 0,
) -> Array:
    return dft(x, dft_length, np.asarray(axis), inverse=inverse, onesided=onesided)


@op("STFT", since=17)
def stft(
    signal: Array,
    frame_step: Array,
    window: Array | None = None,
    frame_length: Array | None = None,
    *,
    onesided: int = 1,
) -> Array:
    """Frames [batch, frames, length], each windowed and transformed."""
    values = signal[..., 0] if signal.shape[-1] == 1 else signal[..., 0] + 1j * signal[..., 1]
    if frame_length is not None:
        length = int(frame_length.item())
    else:
        length = values.shape[1] if window is None else window.shape[0]
    step = int(frame_step.item())
    starts = np.arange((values.shape[1] - length) // step + 1) * step
    frames = values[:, starts[:, None] + np.arange(length)]
    if window is not None:
        frames = frames * window
    transform = np.fft.rfft if onesided and signal.shape[-1] == 1 else np.fft.fft
    return _pairs(transform(frames, axis=-1)).astype(signal.dtype)


@op("MelWeightMatrix", since=17)
def mel_weight_matrix(
    num_mel_bins: Array,
    dft_length: Array,
    sample_rate: Array,
    lower_edge_hertz: Array,
    upper_edge_hertz: Array,
    *,
    output_datatype: int = 1,
) -> Array:
    """Triangles with peak 1 whose corners are spaced evenly in mel, at whole spectrum bins."""
    bins, length, rate = (int(v.item()) for v in (num_mel_bins, dft_length, sample_rate))

    def mel(hertz: Array) -> float:
        return float(2595 * np.log10(1 + hertz.item() / 700))

    low_mel, high_mel = mel(lower_edge_hertz), mel(upper_edge_hertz)
    # The standard's own model divides by the number of corners, not of the gaps between them.
    edges = low_mel + np.arange(bins + 2) * (high_mel - low_mel) / (bins + 2)
    hertz = 700 * (10 ** (edges / 2595) - 1)
    corners = np.floor((length + 1) * hertz / rate).astype(np.int64)
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    place = np.arange(length // 2 + 1)[:, None]
    rising = (place - low) / np.maximum(centre - low, 1)
    falling = (high - place) / np.maximum(high - centre, 1)
    matrix = np.where(place <= centre, np.where(place >= low, rising, 0), 0)
    matrix = np.where((place > centre) & (place < high), falling, matrix)
    matrix[centre, np.arange(bins)] = 1
    return convert(matrix, element_type(output_datatype))
