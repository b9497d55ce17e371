"""Which files are images or masks by their names, and what is missing to read the others."""

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from ...errors import InputError
from ...system import is_installed

NOT_IMAGES = {".bufr", ".emf", ".eps", ".grb", ".grib", ".h5", ".hdf", ".mpeg", ".mpg", ".pdf", ".ps", ".wmf"}
"""Suffixes of documents, films and measurements that Pillow has plugins for."""
ARRAYS = {".npy", ".npz"}


class OptionalFormat(NamedTuple):
    """A format that an optional package reads."""

    name: str
    packages: tuple[str, ...]
    """Modules, of which any will do; the extra installs the first."""
    extra: str
    suffixes: tuple[str, ...]


HEIC = OptionalFormat("HEIC", ("pi_heif", "pillow_heif"), "heic", (".heic", ".heif", ".hif"))
DICOM = OptionalFormat("DICOM", ("pydicom",), "medical", (".dcm", ".dicom", ".ima"))
NIFTI = OptionalFormat("NIfTI", ("nibabel",), "medical", (".nii", ".nii.gz"))
OPTIONAL_FORMATS = (HEIC, DICOM, NIFTI)
NO_READER = {
    **dict.fromkeys((".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"), "TIFF or PNG"),
    **dict.fromkeys((".czi", ".lif", ".lsm", ".mrxs", ".nd2", ".ndpi", ".oib", ".svs", ".vsi"), "TIFF"),
    **dict.fromkeys((".mha", ".mhd", ".nrrd"), "NIfTI"),
    **dict.fromkeys((".exr", ".hdr", ".jxl", ".jxr", ".svg"), "PNG or TIFF"),
}
"""Suffixes of image files that nothing here reads -> what to save them as."""


def suffix_of(path: Path) -> str:
    """Return a file's suffix in lower case; ".nii.gz" is one."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


def stem_of(path: Path) -> str:
    """Return a file's name without its suffix; ".nii.gz" is one."""
    suffix = suffix_of(path)
    return path.name[: len(path.name) - len(suffix)] if suffix else path.name


@cache
def image_suffixes() -> frozenset[str]:
    """Return the suffixes of the image files that can be read here, in lower case with the dot."""
    Image.init()
    known = {s for s, kind in Image.registered_extensions().items() if kind in Image.OPEN} - NOT_IMAGES
    optional = {s for form in OPTIONAL_FORMATS if _installed(form) for s in form.suffixes}
    return frozenset(known | optional)


def is_image(path: Path) -> bool:
    """True if a file's name is that of an image that can be read here, and not hidden."""
    return suffix_of(path) in image_suffixes() and not path.name.startswith(".")


def is_mask_file(path: Path) -> bool:
    """True if a file's name is that of an image or of a NumPy array, and not hidden."""
    return is_image(path) or (path.suffix.lower() in ARRAYS and not path.name.startswith("."))


def missing_reader(path: Path) -> str:
    """Return why an image file can't be read here, as a part of a sentence; "" for other files and those that can."""
    suffix = suffix_of(path)
    if path.name.startswith(".") or suffix in image_suffixes():
        return ""
    for form in OPTIONAL_FORMATS:
        if suffix in form.suffixes:
            return _needs(form)
    if suffix == ".avif":
        return "AVIF needs Pillow 11.3 or newer"
    return f"no reader for {suffix}: save it as {NO_READER[suffix]}" if suffix in NO_READER else ""


def import_reader(form: OptionalFormat) -> Any:
    """Import the package that reads a format.

    Raises:
        InputError: there is none; the message, without the file's name, says how to install one.
    """
    package = _installed(form)
    if not package:
        raise InputError(_needs(form))
    return import_module(package)


def _installed(form: OptionalFormat) -> str:
    return next(filter(is_installed, form.packages), "")


def _needs(form: OptionalFormat) -> str:
    package = form.packages[0].replace("_", "-")
    return f"{form.name} needs the package {package} (pip install 'sam2unet[{form.extra}]')"
