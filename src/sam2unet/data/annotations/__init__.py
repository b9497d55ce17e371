"""Annotations of COCO, LabelMe, YOLO, VIA, CVAT, Label Studio and Supervisely: read, numbered, and drawn as masks."""

from .annotation import Annotation, AnnotationFile
from .numbering import number_labels
from .read import ANNOTATION_SUFFIXES, read_annotation_file

__all__ = ["ANNOTATION_SUFFIXES", "Annotation", "AnnotationFile", "number_labels", "read_annotation_file"]
