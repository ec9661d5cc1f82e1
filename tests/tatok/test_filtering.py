"""DTF against a short NumPy reading of Alg. 1, and what every policy must keep."""

import numpy as np
import pytest
import torch

from tatok import filtering


def alg1(H, epsilon, T):
    """Alg. 1 of the paper, one image."""
    sigma = sorted(range(len(H)), key=lambda i: (-H[i], i))
    sums = np.cumsum(H[sigma])
    tau = max(T, (1 - epsilon) * sums[-1])
    N = next((k + 1 for k in range(len(H)) if sums[k] >= tau), len(H))
    keep = np.zeros(len(H), bool)
    keep[sigma[:N]] = True
    return keep, N, tau, sums[-1]


def hostile_maps(rng, rows, M):
    """Entropies with ties, zeros, huge ranges and constants."""
    H = rng.exponential(size=(rows, M))
    kind = rng.integers(6, size=rows)
    H[kind == 1] = rng.integers(3, size=(int((kind == 1).sum()), M)).astype(float)  # ties
    H[kind == 2] *= rng.random((int((kind == 2).sum()), M)) < 0.2  # mostly zero
    H[kind == 3] = 0.0
    H[kind == 4] = np.exp(rng.normal(0, 12, size=(int((kind == 4).sum()), M)))
    H[kind == 5] = 0.1  # sums that round
    return H


@pytest.mark.parametrize("M", [1, 2, 7, 256])
def test_dtf_is_algorithm_1(M):
    rng = np.random.default_rng(M)
    H = hostile_maps(rng, 1500, M)
    for epsilon in (0.0, 0.05, 0.15, 0.5, 0.999, float(rng.random())):
        T = np.where(rng.random(len(H)) < 0.5, 0.0, H.sum(1) * rng.random(len(H)) * 1.5)
        got = filtering.dtf(torch.from_numpy(H), epsilon, torch.from_numpy(T))
        for row in range(len(H)):
            keep, N, tau, total = alg1(H[row], epsilon, T[row])
            assert got.count[row] == N
            assert got.threshold[row] == tau
            assert got.total[row] == total
            assert (got.keep[row].numpy() == keep).all()


def test_n_never_rises_with_epsilon():
    H = torch.from_numpy(hostile_maps(np.random.default_rng(1), 300, 64))
    counts = torch.stack([filtering.dtf(H, e).count for e in np.linspace(0, 0.99, 100)])
    assert (counts.diff(dim=0) <= 0).all()
    assert (counts[0] > counts[-1]).any()


def test_threshold_above_total_keeps_all():
    H = torch.ones(2, 9, dtype=torch.float64)
    got = filtering.dtf(H, 0.5, torch.tensor([10.0, 0.0], dtype=torch.float64))
    assert got.count.tolist() == [9, 5]


@pytest.mark.parametrize(
    "bad", [[[1.0, -1.0]], [[1.0, float("nan")]], [[float("inf"), 1.0]], [1.0]]
)
def test_bad_entropy_is_refused(bad):
    with pytest.raises(ValueError, match="non-negative"):
        filtering.dtf(torch.tensor(bad), 0.1)


@pytest.mark.parametrize("epsilon", [-0.1, 1.0, float("nan")])
def test_bad_epsilon_is_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon"):
        filtering.dtf(torch.ones(1, 4), epsilon)


def test_policies_keep_exactly_n():
    M = 37
    N = torch.arange(M + 1)
    masks = {
        "random": filtering.random(M, N, [torch.Generator()] * len(N)),
        "uniform": filtering.uniform(M, N),
        "first": filtering.first(M, N),
        "last": filtering.last(M, N),
        "top": filtering.top(torch.rand(M + 1, M), N),
        "chain": filtering.chain(torch.rand(M + 1, M) + 0.1, torch.eye(M), N),
    }
    for name, mask in masks.items():
        assert (mask.sum(1) == N).all(), name
    assert masks["first"][5].nonzero()[:, 0].tolist() == list(range(5))
    assert masks["last"][5].nonzero()[:, 0].tolist() == list(range(M - 5, M))
    for n in range(1, M + 1):
        expected = sorted({(2 * j + 1) * M // (2 * n) for j in range(n)})
        assert masks["uniform"][n].nonzero()[:, 0].tolist() == expected


def test_random_is_uniform_and_seeded():
    N = torch.full((4000,), 3)
    draw = lambda seed: filtering.random(  # noqa: E731
        8, N, [torch.Generator().manual_seed(seed)] * len(N)
    )
    assert (draw(1) == draw(1)).all() and (draw(1) != draw(2)).any()
    assert (draw(1).float().mean(0) - 3 / 8).abs().max() < 0.04


def greedy(sigma, C, N):
    """Pick by conditional variance computed afresh each time: the definition of `chain`."""
    S = np.diag(sigma) @ C @ np.diag(sigma)
    kept = []
    for _ in range(N):
        rest = [i for i in range(len(S)) if i not in kept]
        A = S[np.ix_(kept, kept)]
        var = [S[i, i] - (S[i, kept] @ np.linalg.solve(A, S[kept, i]) if kept else 0) for i in rest]
        kept.append(rest[int(np.argmax(var))])
    return sorted(kept)


def test_chain_is_the_greedy_conditional_choice():
    rng = np.random.default_rng(0)
    for _ in range(20):
        A = rng.normal(size=(12, 20))
        C = np.corrcoef(A)
        sigma = rng.random((2, 12)) + 0.2
        got = filtering.chain(torch.from_numpy(sigma), torch.from_numpy(C), torch.tensor([4, 9]))
        assert got[0].nonzero()[:, 0].tolist() == greedy(sigma[0], C, 4)
        assert got[1].nonzero()[:, 0].tolist() == greedy(sigma[1], C, 9)


def test_chain_avoids_what_is_already_known():
    C = torch.tensor([[1.0, 0.99, 0.0], [0.99, 1.0, 0.0], [0.0, 0.0, 1.0]])
    sigma = torch.tensor([[3.0, 2.9, 1.0]])
    assert filtering.chain(sigma, C, torch.tensor([2]))[0].tolist() == [True, False, True]
    assert filtering.top(sigma, torch.tensor([2]))[0].tolist() == [True, True, False]


def test_edges_come_first_and_by_entropy():
    H = torch.arange(16.0)[None].expand(17, 16)
    masks = filtering.edges(H, torch.arange(17))
    outer = [15, 12, 11, 8, 7, 4, 3, 0]  # left and right columns of 4 × 4, highest H first
    rest = [14, 13, 10, 9, 6, 5, 2, 1]
    for n in range(17):
        assert masks[n].nonzero()[:, 0].tolist() == sorted((outer + rest)[:n])
    ties = filtering.edges(torch.ones(1, 16), torch.tensor([3]))
    assert ties[0].nonzero()[:, 0].tolist() == [0, 3, 4]


@pytest.mark.parametrize("rule", filtering.RULES)
def test_a_correction_takes_out_the_bias_and_nothing_else(rule):
    bias = torch.rand(9, dtype=torch.float64) + 0.5
    content = torch.rand(4, 9, dtype=torch.float64) + 1
    biased = content * bias / bias.mean() if rule == "divide" else content + bias - bias.mean()
    correct = filtering.Correction(bias, rule)
    torch.testing.assert_close(correct(biased), content)
    torch.testing.assert_close(correct(bias[None]), bias.mean().expand(1, 9))


def test_a_correction_stays_non_negative_and_refuses_what_it_cannot_do():
    bias = torch.tensor([0.0, 4.0])
    assert filtering.Correction(bias)(torch.tensor([[1.0, 1.0]])).tolist() == [[3.0, 0.0]]
    with pytest.raises(ValueError, match="positive"):
        filtering.Correction(bias, "divide")
    with pytest.raises(ValueError, match="rule"):
        filtering.Correction(bias, "multiply")
