"""Errors survive the way between processes."""

import pickle

from sam2unet.errors import InputError, Stopped


def test_input_errors_are_pickled_with_their_parameters():
    error = pickle.loads(pickle.dumps(InputError("a.png: no such file", "out", "overwrite")))
    assert type(error) is InputError
    assert (str(error), error.parameters) == ("a.png: no such file", ("out", "overwrite"))


def test_subclasses_of_input_error_keep_their_type_when_pickled():
    from sam2unet.weights import HubUnreachable

    error = pickle.loads(pickle.dumps(HubUnreachable("no connection", "trunk_weights")))
    assert type(error) is HubUnreachable
    assert error.parameters == ("trunk_weights",)


def test_stopped_has_the_exit_code_and_the_run(tmp_path):
    error = Stopped("stopped by SIGTERM", 143, tmp_path)
    assert (str(error), error.code, error.run) == ("stopped by SIGTERM", 143, tmp_path)
