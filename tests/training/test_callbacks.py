"""The moving average of the weights."""

import numpy as np
import torch

from sam2unet.training import load_recipe
from sam2unet.training.callbacks import EMA
from sam2unet.training.loading import RunLength
from sam2unet.training.module import SegmentationModule

from ..pico import SHORT


class Trainer:
    global_step = 0


def test_ema_follows_trained_parameters_and_statistics(network):
    model, recipe = network().train(), load_recipe("general", SHORT | {"ema": 0.5})
    model.trunk.requires_grad_(False)
    module, trainer, ema = SegmentationModule(model, recipe, [], 1, RunLength(2, 5)), Trainer(), EMA(0.5)
    ema.on_train_start(trainer, module)
    name, statistic = "decoder.heads.0.bias", "decoder.ups.0.convs.1.running_mean"
    expected = model.get_parameter(name).detach().double().numpy().copy()
    running = model.get_buffer(statistic).double().numpy().copy()
    for step in range(1, 8):
        with torch.no_grad():
            model.get_parameter(name).add_(step)
            model.get_buffer(statistic).add_(1)
        for trainer.global_step in (step - 1, step):  # a batch that only accumulates changes nothing
            ema.on_train_batch_end(trainer, module)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.get_parameter(name).detach().double().numpy()
        running = decay * running + (1 - decay) * model.get_buffer(statistic).double().numpy()
    ema.on_validation_start(trainer, module)
    np.testing.assert_allclose(model.get_parameter(name).detach(), expected, rtol=1e-5)
    np.testing.assert_allclose(model.get_buffer(statistic), running, rtol=1e-5)


def test_ema_restores_the_weights_after_validation(network):
    model = network().train()
    module, ema = SegmentationModule(model, load_recipe("general", SHORT), [], 1, RunLength(2, 5)), EMA(0.5)
    ema.on_train_start(Trainer(), module)
    with torch.no_grad():
        model.get_parameter("decoder.heads.0.bias").add_(1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ema.on_validation_start(Trainer(), module)
    assert not torch.equal(model.state_dict()["decoder.heads.0.bias"], before["decoder.heads.0.bias"])
    ema.on_validation_end(Trainer(), module)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_ema_stores_nothing_that_is_frozen(network):
    model = network()
    model.trunk.requires_grad_(False)
    ema = EMA(0.5)
    ema.on_train_start(Trainer(), SegmentationModule(model, load_recipe("general", SHORT), [], 1, RunLength(2, 5)))
    assert not any(".trunk." in name for name in ema.state_dict()["average"])
