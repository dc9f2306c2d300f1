import threading

import pytest
import torch
import torch.nn.functional as F

from oodinv.models import winograd
from oodinv.models.fast_convs import NARROWEST, FastConvs
from oodinv.models.winograd import conv3x3, transform_kernel


def _both(batch, channels, num_out, height, width):
    rng = torch.Generator().manual_seed(height * 100 + width)
    x = torch.randn(batch, channels, height, width, generator=rng)
    weight = torch.randn(num_out, channels, 3, 3, generator=rng)
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    return conv3x3(x, transform_kernel(weight)), exact


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (4, 4), (5, 8), (7, 9), (16, 16), (3, 33)])
def test_it_is_the_convolution_for_every_size(size):
    ours, exact = _both(2, 5, 7, *size)
    torch.testing.assert_close(ours.double(), exact, atol=2e-4, rtol=1e-5)


def test_blocks_of_rows_meet_without_a_seam(monkeypatch):
    whole, exact = _both(1, 6, 6, 21, 18)
    monkeypatch.setattr(winograd, "BLOCK_BYTES", 1)  # one row of tiles at a time
    pieces, _ = _both(1, 6, 6, 21, 18)
    torch.testing.assert_close(pieces, whole, atol=2e-4, rtol=1e-5)
    torch.testing.assert_close(pieces.double(), exact, atol=2e-4, rtol=1e-5)


def test_a_kernel_of_one_tap_moves_the_map_by_one_pixel():
    weight = torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 2] = 1  # takes the right neighbour
    x = torch.arange(48.0).view(1, 1, 6, 8)
    ours = conv3x3(x, transform_kernel(weight))
    torch.testing.assert_close(ours[..., :-1], x[..., 1:], atol=1e-4, rtol=0)
    assert ours[..., -1].abs().max() < 1e-4


def test_any_memory_layout_is_read_right():
    x = torch.randn(1, 4, 9, 11)
    kernel = transform_kernel(torch.randn(4, 4, 3, 3))
    assert torch.equal(conv3x3(x.contiguous(memory_format=torch.channels_last), kernel), conv3x3(x, kernel))
    wide = torch.randn(1, 4, 9, 22)
    assert torch.equal(conv3x3(wide[..., ::2], kernel), conv3x3(wide[..., ::2].contiguous(), kernel))


def test_threads_do_not_share_their_buffers():
    kernel = transform_kernel(torch.randn(8, 8, 3, 3))
    inputs = [torch.randn(1, 8, 40, 40) for _ in range(4)]
    alone = [conv3x3(x, kernel) for x in inputs]
    found: dict[int, bool] = {}

    def work(index):
        found[index] = all(torch.equal(conv3x3(inputs[index], kernel), alone[index]) for _ in range(20))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(4), True)


def test_a_later_call_leaves_an_earlier_result_alone():
    kernel = transform_kernel(torch.randn(3, 3, 3, 3))
    first = conv3x3(torch.ones(1, 3, 8, 8), kernel)
    before = first.clone()
    conv3x3(torch.zeros(1, 3, 8, 8), kernel)
    assert torch.equal(first, before)


def test_wide_convolutions_are_transformed_and_narrow_ones_left_alone():
    convs = FastConvs()
    wide, narrow = torch.randn(NARROWEST, NARROWEST, 3, 3), torch.randn(NARROWEST, 8, 3, 3)
    convs.transform("wide", wide)
    convs.transform("narrow", narrow)
    x, bias = torch.randn(1, NARROWEST, 16, 16), torch.randn(NARROWEST)
    with torch.inference_mode():
        assert convs.ready("wide", x) and not convs.ready("narrow", x[:, :8])
        torch.testing.assert_close(
            convs("wide", x, wide, bias), F.conv2d(x, wide, bias, padding=1), atol=1e-3, rtol=1e-4
        )
        assert torch.equal(convs("narrow", x[:, :8], narrow), F.conv2d(x[:, :8], narrow, padding=1))
    assert not convs.state_dict()


def test_where_a_gradient_is_wanted_the_weights_of_now_count():
    convs = FastConvs()
    weight = torch.randn(NARROWEST, NARROWEST, 3, 3)
    convs.transform("wide", weight)
    x = torch.randn(1, NARROWEST, 16, 16)
    assert torch.equal(convs("wide", x, 2 * weight), F.conv2d(x, 2 * weight, padding=1))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert not convs.ready("wide", x)
