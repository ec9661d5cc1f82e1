"""Each metric against an independent implementation, or against a closed form."""

import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from analysis.base import metrics
from analysis.base.extractors import Inception, Lite0
from tatok.lite import maps_distance


class FeaturesAreTheImages(torch.nn.Module):
    """For torchmetrics: what is given as images are the features already."""

    def __init__(self, width: int):
        super().__init__()
        self.num_features = width

    def forward(self, x):
        return x.reshape(len(x), -1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def photos():
    """Two photographs and three damaged copies of each: x, y (6, 3, 176, 192) in [-1, 1]."""
    pictures = [torch.from_numpy(p.copy()).movedim(-1, 0) for p in (data.chelsea(), data.coffee())]
    x = torch.stack([p[:, 40:216, 60:252] for p in pictures]).double() / 127.5 - 1
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    blurred = F.avg_pool2d(x, 5, 1, 2, count_include_pad=False)
    y = torch.cat([blurred, x + 0.2 * noise, 0.3 - 0.6 * x]).clamp(-1, 1)
    return x.repeat(3, 1, 1, 1), y


def each_pair(photos):
    return ((a.numpy(), b.numpy()) for a, b in zip(*photos, strict=True))


def test_psnr_agrees_with_skimage(photos):
    expected = [peak_signal_noise_ratio(a, b, data_range=2) for a, b in each_pair(photos)]
    torch.testing.assert_close(metrics.psnr(*photos), torch.tensor(expected).double())


def test_psnr_in_closed_form():
    x = torch.zeros(2, 3, 8, 8)
    y = torch.stack([x[0] + 0.2, x[1]])  # MSE 0.04 of a peak of 4: 20 dB; and no error at all
    torch.testing.assert_close(metrics.psnr(x, y), torch.tensor([20.0, torch.inf]))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 5e-5)])
def test_ssim_agrees_with_skimage(photos, dtype, tolerance):
    options = {"gaussian_weights": True, "use_sample_covariance": False, "sigma": 1.5}
    expected = [
        structural_similarity((a + 1) / 2, (b + 1) / 2, data_range=1, channel_axis=0, **options)
        for a, b in each_pair(photos)
    ]
    ours = metrics.ssim(*(p.to(dtype) for p in photos)).double()
    torch.testing.assert_close(ours, torch.tensor(expected).double(), atol=tolerance, rtol=0)


def test_equal_images_are_fully_similar(photos):
    x, _ = photos
    torch.testing.assert_close(metrics.ssim(x, x), torch.ones(6).double())


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim])
def test_half_precision_is_computed_in_single(photos, metric):
    x, y = (p.half() for p in photos)
    assert metric(x, y).dtype == torch.float32
    torch.testing.assert_close(metric(x, y), metric(x.float(), y.float()))


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim])
def test_unfit_images_are_refused(metric):
    x = torch.zeros(2, 3, 192, 192)
    with pytest.raises(ValueError, match="one shape"):
        metric(x, x[:, :, :-1])
    with pytest.raises(ValueError, match="float"):
        metric(x.byte(), x.byte())


def test_too_small_images_are_refused():
    x = torch.zeros(1, 3, 32, 32)
    assert metrics.ssim(x[..., :11, :11], x[..., :11, :11]).item() == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="at least 11 px"):
        metrics.ssim(x[..., :10, :], x[..., :10, :])


def test_maps_distance_grows_with_blur_and_is_per_image(photos):
    lite0 = Lite0()
    x = photos[0][:2].float()
    blurred = [F.avg_pool2d(x, k, 1, k // 2, count_include_pad=False) for k in (1, 3, 5, 9)]
    d = torch.stack([maps_distance(lite0(x).maps, lite0(y).maps) for y in blurred])  # (blur, image)
    assert (d[0] == 0).all()
    assert (d.diff(dim=0) > 0.01).all()
    swapped = maps_distance(lite0(blurred[2].flip(0)).maps, lite0(x.flip(0)).maps).flip(0)
    torch.testing.assert_close(swapped, d[2], atol=1e-5, rtol=1e-4)


def test_maps_distance_agrees_with_cosines_of_timms_stages(photos):
    lite0 = Lite0()
    x, y = photos[0][:2].float(), photos[1][:2].float()
    small = [F.interpolate(z, (224, 224), mode="bicubic", antialias=True) for z in (x, y)]
    maps = []
    for z in small:
        stages = {}
        hooks = [lite0.net.net.bn1.register_forward_hook(lambda *a, s=stages: s.update(stem=a[2]))]
        hooks += [
            lite0.net.net.blocks[i].register_forward_hook(
                lambda *a, s=stages, i=i: s.update({i: a[2]})
            )
            for i in (1, 2, 4, 6)
        ]
        lite0.net.net(z.clamp(-1, 1))
        for hook in hooks:
            hook.remove()
        maps.append(stages)
    expected = sum(
        2 - 2 * F.cosine_similarity(maps[0][name], maps[1][name]).mean((1, 2)) for name in maps[0]
    )
    found = maps_distance(lite0(x).maps, lite0(y).maps)
    torch.testing.assert_close(found, expected / 5, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 12), (30, 40, 64), (100, 20, 50)])
def test_frechet_distance_agrees_with_the_definition(rng, n, m, d):
    X, Y = rng.normal(size=(n, d)), 0.3 + rng.normal(size=(m, d)) @ rng.normal(size=(d, d))
    C, D = np.cov(X, rowvar=False), np.cov(Y, rowvar=False)
    if min(n, m) > d:
        root = np.trace(scipy.linalg.sqrtm(C @ D)).real
    else:  # singular: from the eigenvalues, of which rounding makes some negative or complex
        root = np.sqrt(np.linalg.eigvals(C @ D).real.clip(0)).sum()
    expected = np.square(X.mean(0) - Y.mean(0)).sum() + np.trace(C) + np.trace(D) - 2 * root
    assert metrics.frechet_distance(X, Y) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n", [40, 400])
def test_frechet_distance_in_closed_form(rng, n):
    X = rng.normal(size=(n, 64)) * np.linspace(0.1, 3, 64) + 1
    shift = rng.normal(size=64)
    assert metrics.frechet_distance(X, X + shift) == pytest.approx(shift @ shift)
    scaled = 0.25 * (
        X.var(0, ddof=1).sum() + np.square(X.mean(0)).sum()
    )  # (1 - 1/2)² (tr C + |μ|²)
    assert metrics.frechet_distance(X, 0.5 * X) == pytest.approx(scaled)
    assert 0 <= metrics.frechet_distance(X, X[::-1]) < 1e-9


def test_frechet_distance_agrees_with_torchmetrics(rng):
    X, Y = rng.normal(size=(200, 16)), 1.5 * rng.normal(size=(150, 16)) + 0.2
    theirs = FrechetInceptionDistance(FeaturesAreTheImages(16)).set_dtype(torch.float64)
    theirs.update(torch.from_numpy(X), real=True)
    theirs.update(torch.from_numpy(Y), real=False)
    assert metrics.frechet_distance(X, Y) == pytest.approx(theirs.compute().item(), rel=1e-5)


def test_kid_agrees_with_torchmetrics(rng):
    X = rng.normal(size=(60, 10))
    Y = 0.9 * X + 0.2
    theirs = KernelInceptionDistance(FeaturesAreTheImages(10), subsets=1, subset_size=60)
    theirs.update(torch.from_numpy(X), real=True)
    theirs.update(torch.from_numpy(Y), real=False)
    value = theirs.compute()[0].item()
    assert metrics.kid(X, Y) == pytest.approx(value, rel=1e-4)

    # Paired: put the diagonal of the cross term back, and the two must agree again.
    diagonal = np.array([(x @ y / 10 + 1) ** 3 for x, y in zip(X, Y, strict=True)])
    across = ((X @ Y.T / 10 + 1) ** 3).sum()
    put_back = 2 * (across - diagonal.sum()) / (60 * 59) - 2 * across / 60**2
    assert metrics.kid(X, Y, paired=True) + put_back == pytest.approx(value, rel=1e-4)


def test_paired_kid_is_unbiased_where_the_usual_one_is_not(rng):
    # x and y have one distribution (truth 0) but are correlated, as an image and its copy are.
    def draw():
        X, Z = rng.normal(size=(2, 30, 8))
        return X, 0.8 * X + 0.6 * Z

    pairs = [draw() for _ in range(400)]
    for paired, low, high in ((True, -3, 3), (False, -np.inf, -20)):
        values = np.array([metrics.kid(*pair, paired=paired) for pair in pairs])
        assert low < values.mean() / (values.std() / np.sqrt(len(values))) < high


def test_bootstrap_interval_of_a_mean(rng):
    values = torch.from_numpy(rng.normal(30, 2, size=400))
    found = metrics.bootstrap_interval(values, torch.Generator().manual_seed(0))
    mean, half = values.mean().item(), 1.96 * values.std().item() / 20
    assert found.low == pytest.approx(mean - half, abs=0.1 * half)
    assert found.high == pytest.approx(mean + half, abs=0.1 * half)
    narrow = metrics.bootstrap_interval(values, torch.Generator().manual_seed(0), level=0.5)
    assert found.low < narrow.low < narrow.high < found.high
    assert found == metrics.bootstrap_interval(values, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="finite"):
        metrics.bootstrap_interval(torch.tensor([1.0, torch.inf]), torch.Generator())


class ChannelMeans:
    name = "channel means"

    def features(self, x):
        return x.mean((2, 3))


def test_rfd_collects_batches_and_names_its_value(rng):
    x = torch.from_numpy(rng.uniform(-1, 1, size=(25, 3, 4, 4)))
    X = metrics.collect_features(x.split(10), ChannelMeans())
    Y = metrics.collect_features((x * 0.5 + 0.1).split(10), ChannelMeans())
    np.testing.assert_allclose(X, x.mean((2, 3)).numpy())
    found = metrics.rfd(X, Y, ChannelMeans())
    assert found.value == pytest.approx(metrics.frechet_distance(X, Y))
    assert found.value > 0 and found.n == 25 and found.label == "rFD (channel means, N=25)"
    with pytest.raises(ValueError, match="equally many"):
        metrics.rfd(X, Y[:-1], ChannelMeans())


def test_gfd_needs_no_pairs(rng):
    X, Y = rng.normal(size=(60, 3)), rng.normal(size=(40, 3)) + 1
    found = metrics.gfd(X, Y, ChannelMeans())
    assert found.value == pytest.approx(metrics.frechet_distance(X, Y))
    assert found.n == 40 and found.label == "gFD (channel means, N=40 generated, 60 real)"


def test_only_inception_gives_a_fid_and_a_kid():
    assert metrics.rfd_label(Lite0, 500) == "rFD (EfficientNet-Lite0, N=500)"
    assert metrics.rfd_label(Inception, 5000) == "rFID (Inception-v3, N=5000)"
    assert metrics.gfd_label(Lite0, 40, 60).startswith("gFD (EfficientNet-Lite0, N=40")
    assert metrics.gfd_label(Inception, 40, 60).startswith("gFID (Inception-v3, N=40")
    assert metrics.kid_label(Lite0, 500) == "Kernel distance (EfficientNet-Lite0, N=500)"
    assert metrics.kid_label(Inception, 5000) == "KID (Inception-v3, N=5000)"


@pytest.mark.parametrize("distance", [metrics.frechet_distance, metrics.kid])
def test_unfit_features_are_refused(distance):
    X = np.ones((5, 3))
    for other in (np.ones((5, 4)), np.ones(5), np.ones((1, 3))):
        with pytest.raises(ValueError, match="feature matrices"):
            distance(X, other)
