"""Two processes with a gradient each; the numbers come back through files."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from oodinv.training import parallel

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np, torch
import torch.distributed as dist
from oodinv.training import parallel
from oodinv.training.errors import TrainingError
from oodinv.training.journal import Means
from oodinv.training.latent_critic import CodePool
folder, rank = Path(sys.argv[1]), int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
layer = torch.nn.Linear(2, 1)
layer.weight.grad, layer.bias.grad = torch.full((1, 2), rank + 1.0), torch.full((1,), 10.0 * rank)
parallel.average_gradients(layer.parameters())
try:
    parallel.own_share(np.arange(5))
    refusal = ""
except TrainingError as error:
    refusal = str(error)
norm = torch.nn.BatchNorm1d(2)
norm.running_mean.fill_(4.0 * rank)
parallel.average_buffers(norm)
means = Means()
means.add({"loss": 2.0 * rank})
means.add({"loss": 4.0 * rank, "rare": 1.0})
rows = parallel.gather_rows(torch.tensor([[rank], [rank + 2]]))
pool, rng = CodePool(3, 1), torch.Generator().manual_seed(0)
for step in range(5):
    taken = parallel.own_rows(pool.exchange(parallel.gather_rows(torch.tensor([[10.0 * step + rank]])), rng))
told = {
    "norm": norm.running_mean.tolist(), "tracked": norm.num_batches_tracked.item(),
    "means": means.over_ranks().state(), "gathered": rows.flatten().tolist(),
    "pool": pool.codes.flatten().tolist(), "taken": len(taken),
    "weight": layer.weight.grad.tolist(), "bias": layer.bias.grad.tolist(),
    "share": parallel.own_share(np.arange(6)).tolist(), "rows": parallel.own_rows(torch.arange(6)).tolist(),
    "mean": parallel.mean_over_ranks({"loss": float(rank)}),
    "tensor": parallel.mean_tensor(torch.tensor(2.0 * rank)).item(),
    "any": parallel.any_rank(rank == 1, False), "word": parallel.broadcast(f"from {rank}"),
    "common": parallel.step_seed(1, 2), "own": parallel.step_seed(1, 2, own=True), "refusal": refusal,
}
(folder / f"{rank}.json").write_text(json.dumps(told))
dist.destroy_process_group()
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    started = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), str(rank)], cwd=Path(__file__).parents[2])
        for rank in (0, 1)
    ]
    assert [process.wait(120) for process in started] == [0, 0]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_gradients_and_numbers_are_means_over_both(two):
    for told in two:
        assert told["weight"] == [[1.5, 1.5]] and told["bias"] == [5.0]
        assert told["mean"] == {"loss": 0.5} and told["tensor"] == 1.0


def test_a_batch_is_shared_without_rest_and_twice_seen(two):
    assert [told["share"] for told in two] == [told["rows"] for told in two] == [[0, 2, 4], [1, 3, 5]]
    assert all("2 workers need a batch they can share equally, got 5" in told["refusal"] for told in two)


def test_what_a_checkpoint_holds_is_equal_in_both(two):
    assert [told["norm"] for told in two] == [[2.0, 2.0]] * 2 and two[0]["tracked"] == 0
    assert [told["means"] for told in two] == [{"loss": [3.0, 2], "rare": [1.0, 1]}] * 2
    assert [told["gathered"] for told in two] == [[0, 1, 2, 3]] * 2
    assert two[0]["pool"] == two[1]["pool"] and len(two[0]["pool"]) == 3 and two[0]["taken"] == 1


def test_what_one_decides_all_do(two):
    assert [told["any"] for told in two] == [[True, False]] * 2
    assert [told["word"] for told in two] == ["from 0"] * 2


def test_common_draws_are_equal_and_own_ones_differ(two):
    assert two[0]["common"] == two[1]["common"] == two[0]["own"] != two[1]["own"]


def test_alone_nothing_is_done():
    layer = torch.nn.Linear(2, 1)
    layer.weight.grad = torch.ones(1, 2)
    parallel.average_gradients(layer.parameters())
    assert layer.weight.grad.tolist() == [[1, 1]] and parallel.own_share(np.arange(5)).tolist() == [0, 1, 2, 3, 4]
    assert parallel.world_size() == 1 and parallel.any_rank(True, False) == (True, False)
    assert parallel.mean_over_ranks({"a": 2.0}) == {"a": 2.0} and parallel.broadcast("x") == "x"


def test_seeds_of_neighbouring_steps_have_nothing_in_common():
    seeds = [parallel.step_seed(0, 1, step) for step in range(1000)]
    assert len(set(seeds)) == 1000 and np.corrcoef(seeds[:-1], seeds[1:])[0, 1] == pytest.approx(0, abs=0.1)
