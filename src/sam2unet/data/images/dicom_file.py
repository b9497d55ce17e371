"""DICOM images, of one frame or several, through pydicom."""

from importlib import import_module
from typing import Any, BinaryIO

import numpy as np

from ...errors import InputError
from .image_formats import DICOM, import_reader
from .raw_image import RawImage

LOSSY_SYNTAXES = {
    "1.2.840.10008.1.2.4.50",  # JPEG baseline
    "1.2.840.10008.1.2.4.51",  # JPEG extended, 12 bits
    "1.2.840.10008.1.2.4.81",  # JPEG-LS, near-lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
}


class DicomReader:
    """Reads the frames of a DICOM file. Closing the stream is the caller's."""

    def __init__(self, stream: BinaryIO):
        pydicom = import_reader(DICOM)
        self.stream = stream
        stream.seek(0)
        self.dataset = pydicom.dcmread(stream, force=True, stop_before_pixels=True)
        is_coded = "TransferSyntaxUID" in getattr(self.dataset, "file_meta", {})
        self._coding = {} if is_coded else {"transfer_syntax_uid": pydicom.uid.ImplicitVRLittleEndian}  # no preamble
        if "Rows" not in self.dataset or "Columns" not in self.dataset:
            raise InputError("holds no image, or is no DICOM file")
        if len(self.dataset.get("SegmentSequence", ())) > 1:
            raise InputError("holds several segments, each in frames of its own: export one label map, such as NIfTI")
        self.is_volume = self._frame_count() > 1

    def _frame_count(self) -> int:
        return int(self.dataset.get("NumberOfFrames", 1) or 1)

    def pages(self, axis: int | None = None) -> list[int]:
        """Return the indices of the frames."""
        if self.is_volume and axis:
            raise InputError("the frames of a DICOM file lie along axis 0", "layers")
        return list(range(self._frame_count())) if self.is_volume else []

    def size(self, index: int, axis: int | None = None) -> tuple[int, int]:
        """Return (width, height)."""
        return int(self.dataset.Columns), int(self.dataset.Rows)

    def orientation(self, index: int) -> int:
        """Return 1: DICOM has no EXIF orientation."""
        return 1

    def read(self, index: int, axis: int | None = None) -> RawImage:
        """Decode the stored values of a frame, before the rescale slope; MONOCHROME1 is inverted."""
        codecs, dataset = import_module("pydicom.pixels"), self.dataset
        pixels = codecs.pixel_array(self.stream, index=index, **self._coding)
        kind = dataset.get("PhotometricInterpretation", "")
        bits, nodata = int(dataset.get("BitsStored", pixels.dtype.itemsize * 8)), dataset.get("PixelPaddingValue")
        window = self._window()
        if kind == "PALETTE COLOR":
            pixels = codecs.apply_color_lut(pixels, dataset)
            bits, nodata, window = pixels.dtype.itemsize * 8, None, None
        elif kind == "MONOCHROME1":
            top = 2**bits - 1 if pixels.dtype.kind == "u" else -1
            pixels = (top - pixels.astype(np.int64)).astype(pixels.dtype)
            nodata = None if nodata is None else top - nodata
            window = window and (top - window[1], top - window[0])
        return RawImage(
            np.ascontiguousarray(pixels),
            nodata=None if nodata is None else float(nodata),
            lossy=dataset.get("LossyImageCompression") == "01" or _is_lossy(dataset),
            bits=bits,
            window=window if pixels.ndim == 2 else None,
            inverted=kind == "MONOCHROME1",
        )

    def _window(self) -> tuple[float, float] | None:
        """Return the stored values that are black and white (PS3.3 C.11.2.1.2 and C.11.2.1.3.2)."""
        center, width = _first(self.dataset.get("WindowCenter")), _first(self.dataset.get("WindowWidth"))
        slope, intercept = _first(self.dataset.get("RescaleSlope", 1)), _first(self.dataset.get("RescaleIntercept", 0))
        if center is None or not width or not slope:
            return None
        if self.dataset.get("VOILUTFunction", "LINEAR") == "LINEAR":
            center, width = center - 0.5, width - 1
        ends = (center - width / 2, center + width / 2)
        low, high = sorted((end - (intercept or 0)) / slope for end in ends)
        return low, high


def _first(value: Any) -> float | None:
    """Return a number, the first of several, or None."""
    values = [value] if np.isscalar(value) or value is None else list(value)
    return None if not values or values[0] in (None, "") else float(str(values[0]))


def _is_lossy(dataset: Any) -> bool:
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    return syntax in LOSSY_SYNTAXES
