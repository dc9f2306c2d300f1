import torch
from tiny_encoders import FEATURESTYLE, RESTYLE, model_with

from oodinv.training.decomposition import DecompositionTraining, train_decomposition
from oodinv.training.loop import LoopOptions

TRAINING = DecompositionTraining(images=4, batch=4, ema_images=4.0)


def drawn_while_training(pack, folder, encoder):
    """What each call of the generator was given as content, in one step and its example pictures."""
    model, calls = model_with(encoder), []
    synthesise = model.generator.synthesise

    def spied(w_plus, *, content=None, **options):
        calls.append(content)
        return synthesise(w_plus, content=content, **options)

    model.generator.synthesise = spied
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    learned = train_decomposition(
        pack, model, model.decomposition.config, TRAINING, folder, options=LoopOptions(progress=False)
    )
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.encoder.state_dict().items())
    assert all(torch.isfinite(parameter).all() for parameter in learned.parameters())
    return calls


def test_a_decomposition_learns_on_pictures_with_the_content_they_will_have(pack, tmp_path):
    calls = drawn_while_training(pack, tmp_path, FEATURESTYLE)
    assert len(calls) >= 2 and all(content.keys() == {4} for content in calls)


def test_a_decomposition_learns_beside_an_encoder_that_draws(pack, tmp_path):
    calls = drawn_while_training(pack, tmp_path, RESTYLE)
    assert calls[:2] == [None, None]  # two passes of the encoder
    assert len(calls) >= 4 and all(content == {} for content in calls[2:4])
