"""The options of all commands, frozen: a new one has to say here why it exists."""

import dataclasses

import typer

from sam2unet.commands import app, options
from sam2unet.data import DataOptions
from sam2unet.errors import InputError
from sam2unet.training import load_recipe

DATA = {
    "--images": "which files are images, where names don't tell",
    "--masks": "which files are masks, where there are two kinds",
    "--pairs": "pairs that no name tells",
    "--mask-values": "values that can be read in more than one way",
    "--instances": "numbers of objects, where they could be grey levels",
    "--layers": "volumes have several axes",
    "--crowds": "some people mark what is to be ignored as crowd",
    "--boxes": "boxes without outlines are no masks, but may be all there is",
    "--line-width": "cracks and vessels are annotated as lines",
    "--ignore-exif": "masks drawn on images as stored",
}
"""Of all commands that read a folder of pairs."""
OPTIONS = {
    "train": DATA
    | {
        "--out": "a new run's folder",
        "--resume": "continue a run that was stopped or killed",
        "--recipe": "published settings, one's own file, or the settings of a model",
        "--trunk": "the first choice to make, between speed and quality",
        "--trunk-weights": "official weights are not in the package, and may be on a machine without network",
        "--epochs": "short for --set epochs=",
        "--steps": "short for --set steps=, the length that suits small sets",
        "--tile": "short for --set tile=, what thin objects need first",
        "--dry-run": "what would be trained on what, and how long it would take, before an hour is spent",
        "--batch-size": "short for --set batch_size=, what memory allows",
        "--size": "short for --set size=",
        "--lr": "short for --set lr=",
        "--seed": "short for --set seed=",
        "--set": "every other key of the recipe",
        "--device": "a machine may have several",
    },
    "predict": {
        "--out": "where the masks go",
        "--overlay": "the most wanted of --save, in one word",
        "--threshold": "a mask can be wanted smaller or larger",
        "--save": "what is needed beside masks",
        "--mask-bits": "some programs read masks of one bit only",
        "--min-part": "specks are noise in most uses",
        "--min-hole": "so are pinholes",
        "--tile": "large images and thin structures",
        "--overlap": "seams of tiles against time",
        "--flip-tta": "accuracy against time",
        "--scales": "accuracy against time",
        "--letterbox": "models that were trained with the aspect ratio kept",
        "--overwrite": "existing outputs are kept otherwise",
        "--shard": "several machines on one folder",
        "--json": "results for other programs",
        "--quiet": "cron jobs and scripts",
        "--max-pixels": "larger slides, or a lower limit for a service",
        "--most-pixels": "its name in 0.1",
        "--batch-size": "memory of a GPU",
        "--trunk-weights": "the frozen trunk may have moved",
        "--backend": "to compare, or to avoid one that fails on a machine",
        "--precision": "bf16 is faster, float32 exact",
        "--device": "a machine may have several",
    },
    "evaluate": DATA
    | {
        "--json": "for other programs, and for evaluate-merge",
        "--csv": "scores of each image, for statistics",
        "--latex": "papers",
        "--html": "to look at the worst and best images",
        "--protocol": "only the metrics that a task's papers report",
        "--title": "of the report",
        "--classes": "when the predictions don't tell how many there are",
        "--threshold": "of the metrics of the map as saved",
        "--beta2": "some fields weight recall otherwise than 0.3",
        "--strict": "a benchmark must not skip an image",
        "--roi": "a field of view, outside of which there is no truth",
        "--ignored": "published protocols count ignored pixels as background",
        "--processes": "a shared machine",
        "--shard": "several machines on one folder",
    },
    "evaluate-merge": {"--json": "the merged metrics, for other programs"},
    "merge": {"--json": "evaluate-merge's name in 0.1"},
    "benchmark": {
        "--data": "the test sets are not in the package",
        "--task": "one benchmark of the five",
        "--maps": "other methods beside the model",
        "--out": "maps and tables",
        "--strict": "a published score must not skip an image",
        "--trunk-weights": "the frozen trunk may have moved",
        "--device": "a machine may have several",
        "--processes": "a shared machine",
    },
    "export": {
        "--out": "where the file goes",
        "--format": "ONNX for most programs, OpenVINO's for Intel's",
        "--size": "an exported graph has one input size",
        "--input": "programs that can't normalise give 8-bit images",
        "--output": "programs that can't apply a sigmoid take probabilities",
        "--overwrite": "existing files are kept otherwise",
        "--trunk-weights": "the frozen trunk may have moved",
    },
    "data check": DATA
    | {
        "--classes": "index masks can be one object or several classes",
        "--catalogue": "the paper's test sets instead of pairs",
        "--task": "one benchmark of the five",
        "--html": "to look at the images with the masks as they are read",
        "--json": "for other programs",
    },
    "data list": {"--task": "one benchmark of the five", "--long": "references and layouts take many lines"},
    "data scenes": {
        "--train": "more scenes, or a faster trial",
        "--test": "more scenes, or a faster trial",
        "--side": "image size",
        "--seed": "other scenes",
        "--kinds": "to try several classes",
        "--kind": "to try thin objects",
    },
    "data split": DATA
    | {
        "--out": "where the copy goes",
        "--share": "size of the test part",
        "--group": "frames of one video or patient must stay on one side",
        "--classes": "annotations of several classes become masks of class indices",
        "--seed": "another split",
    },
    "weights list": {},
    "weights fetch": {},
    "weights inspect": {},
}


def commands(command, name=""):
    """All commands by name, such as "data check"."""
    if hasattr(command, "commands"):
        return {n: c for word, sub in command.commands.items() for n, c in commands(sub, f"{name} {word}").items()}
    return {name.strip(): command}


def test_every_option_of_every_command_is_known_here():
    found = {
        name: {option for parameter in command.params for option in parameter.opts if option.startswith("-")}
        for name, command in commands(typer.main.get_command(app)).items()
    }
    assert found == {name: set(known) for name, known in OPTIONS.items()}


def test_the_options_of_data_have_the_defaults_of_the_library_and_of_recipes():
    fields = {field.name: field.default for field in dataclasses.fields(DataOptions)}
    assert {name: default for name, (_, default) in options.DATA_OPTIONS.items()} == {
        name: fields[name] for name in options.DATA_OPTIONS
    }
    assert load_recipe().data_options == DataOptions()


def test_every_option_has_a_help_text():
    for name, command in commands(typer.main.get_command(app)).items():
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.help, f"{name} {parameter.name}"


def test_with_options_names_only_options_of_the_running_command(monkeypatch):
    error = InputError("x.png exists already: overwrite it, or mirror", "overwrite", "flip", "lr")
    monkeypatch.setattr("sys.argv", ["sam2unet", "predict", "model", "x.png"])
    assert options.with_options(error).endswith("or mirror (--overwrite, --flip-tta)")
    monkeypatch.setattr("sys.argv", ["sam2unet", "data", "check", "x"])
    assert options.with_options(error).endswith("or mirror")


def test_merge_is_hidden_and_does_what_evaluate_merge_does(run):
    assert "evaluate-merge" in run("--help").out
    assert " merge " not in run("--help").out
    assert run("merge", "--help").code == 0


def test_shell_completion_can_be_installed(run):
    assert "--install-completion" in run("--help").out
