"""Is preprocessing invertible, is its Jacobian exact, and does it lose no event?"""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from anode.errors import DataError
from anode.regions.preprocessing import ContextScaling, Preprocessing

NAMES = ("hard_edge", "gaussian", "exponential", "spike")
OPTIONS = [(True, True), (True, False), (False, True), (False, False)]


def sample(n: int = 2000, seed: int = 0) -> np.ndarray:
    """Columns as different as features are: uniform, Gaussian, falling, and a spike at zero."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.uniform(0, 1, n),
        rng.normal(300, 50, n),
        rng.exponential(150, n),
        np.where(rng.uniform(size=n) < 0.02, 0.0, rng.uniform(0.1, 0.9, n)),
    ]
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(("logit", "standardise"), OPTIONS)
def test_jacobian_agrees_with_autograd(logit: bool, standardise: bool) -> None:
    preprocessing = Preprocessing.fit(sample(), NAMES, logit=logit, standardise=standardise)
    x = torch.as_tensor(sample()[:20])
    _, log_abs_det = preprocessing(x)
    for row in range(len(x)):
        jacobian = torch.autograd.functional.jacobian(
            lambda one: preprocessing(one[None], torch.float64)[0][0], x[row]
        )
        expected = torch.linalg.slogdet(jacobian).logabsdet
        assert torch.isclose(log_abs_det[row], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("logit", "standardise"), OPTIONS)
def test_the_round_trip_returns_every_fitted_event(logit: bool, standardise: bool) -> None:
    x = sample()
    preprocessing = Preprocessing.fit(x, NAMES, logit=logit, standardise=standardise)
    z, _ = preprocessing(torch.as_tensor(x), torch.float64)
    assert torch.allclose(preprocessing.inverse(z), torch.as_tensor(x), rtol=1e-12, atol=1e-12)
    z32, _ = preprocessing(torch.as_tensor(x, dtype=torch.float32))
    assert z32.dtype == torch.float32
    error = (preprocessing.inverse(z32).numpy() - x) / np.ptp(x, axis=0)
    assert np.abs(error).max() < 1e-5


@pytest.mark.parametrize(("logit", "standardise"), OPTIONS)
def test_every_fitted_event_is_finite_and_inside(logit: bool, standardise: bool) -> None:
    x = torch.as_tensor(sample())
    preprocessing = Preprocessing.fit(x.numpy(), NAMES, logit=logit, standardise=standardise)
    z, log_abs_det = preprocessing(x)
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_abs_det).all()
    assert preprocessing.n_outside(x) == 0
    if standardise:
        assert torch.allclose(z.mean(dim=0), torch.zeros(4), atol=1e-5)
        assert torch.allclose(z.std(dim=0, correction=0), torch.ones(4), atol=1e-5)


def test_margins_follow_the_tail_and_keep_the_extremes_near() -> None:
    x = sample(60_000)
    preprocessing = Preprocessing.fit(x, NAMES)
    width = np.ptp(x, axis=0)
    below = (x.min(axis=0) - preprocessing.low.numpy()) / width
    above = (preprocessing.high.numpy() - x.max(axis=0)) / width
    assert below[0] < 1e-4  # hard edges: the events themselves show where they are
    assert above[0] < 1e-4
    assert below[1] > 1e-3  # thin tails: room for the next event
    assert above[2] > 1e-3
    z, _ = preprocessing(torch.as_tensor(x))
    assert z[:, :3].abs().max() < 15


def test_events_outside_are_moved_to_the_edge_and_counted() -> None:
    preprocessing = Preprocessing.fit(sample(), NAMES)
    x = torch.as_tensor(sample()[:5])
    x[1, 0], x[3, 1], x[3, 2] = 7.0, -1e9, 1e9
    z, log_abs_det = preprocessing(x)
    assert preprocessing.n_outside(x) == 2
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_abs_det).all()
    edge = x.clone()
    edge[1, 0] = preprocessing.edge_high[0]
    edge[3, 1], edge[3, 2] = preprocessing.edge_low[1], preprocessing.edge_high[2]
    assert torch.equal(preprocessing(edge)[0], z)
    assert torch.equal(preprocessing(edge)[1], log_abs_det)
    affine = Preprocessing.fit(sample(), NAMES, logit=False)
    assert affine.n_outside(x) == 0
    assert torch.allclose(affine.inverse(affine(x, torch.float64)[0]), x, rtol=1e-9)


def test_the_density_in_physical_units_integrates_to_one() -> None:
    x = sample()[:, 2:3]
    preprocessing = Preprocessing.fit(x)
    low, high = preprocessing.low.item(), preprocessing.high.item()
    # A grid finer at the edges, where the logit is steep.
    grid = low + (high - low) * torch.sigmoid(torch.linspace(-40, 40, 40001).double())
    inside = grid[(grid > preprocessing.edge_low) & (grid < preprocessing.edge_high)]
    z, log_abs_det = preprocessing(inside[:, None], torch.float64)
    log_p = -0.5 * z[:, 0] ** 2 - 0.5 * np.log(2 * np.pi) + log_abs_det
    total = torch.trapezoid(log_p.exp(), inside).item()
    # Only what lies between an edge and half a margin beyond it is missing.
    ends = torch.stack([z[0, 0], z[-1, 0]])
    missing = torch.special.ndtr(ends[0]) + torch.special.ndtr(-ends[1])
    assert total == pytest.approx(1 - missing.item(), abs=1e-6)


@settings(max_examples=60)
@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=40, unique=True),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_any_sample_survives_the_round_trip_in_order(values: list[float], scale: float) -> None:
    x = scale * np.array(values)[:, None]
    if np.ptp(x) <= 1e-9 * np.abs(x).max():
        return
    preprocessing = Preprocessing.fit(x)
    z, log_abs_det = preprocessing(torch.as_tensor(x), torch.float64)
    assert torch.isfinite(z).all()
    assert torch.isfinite(log_abs_det).all()
    assert np.all(np.diff(z.numpy()[np.argsort(x[:, 0]), 0]) >= 0)
    back = preprocessing.inverse(z).numpy()
    assert np.abs(back - x).max() <= 1e-9 * np.ptp(x) + 1e-12 * np.abs(x).max()


@settings(max_examples=60)
@given(z=st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3))
def test_the_inverse_stays_in_the_fitted_range(z: list[float]) -> None:
    preprocessing = Preprocessing.fit(sample(200)[:, :3])
    x = preprocessing.inverse(torch.tensor([z]))
    assert (x >= preprocessing.low).all()
    assert (x <= preprocessing.high).all()
    assert torch.isfinite(preprocessing(x)[0]).all()


def test_the_state_dict_restores_parameters_and_options() -> None:
    fitted = Preprocessing.fit(sample(), NAMES, logit=False)
    file = io.BytesIO()
    torch.save(fitted.state_dict(), file)
    file.seek(0)
    restored = Preprocessing(4)
    restored.load_state_dict(torch.load(file, weights_only=True))
    assert (restored.logit, restored.standardise) == (False, True)
    x = torch.as_tensor(sample(50, seed=3))
    assert all(torch.equal(a, b) for a, b in zip(restored(x), fitted(x), strict=True))


def test_casting_a_parent_module_keeps_the_ranges_exact() -> None:
    parent = nn.ModuleList([Preprocessing.fit(sample()), ContextScaling.fit(sample()[:, 1])])
    before = {name: value.clone() for name, value in parent.state_dict().items()}
    parent.float().half()
    assert all(torch.equal(value, before[name]) for name, value in parent.state_dict().items())
    assert parent[0](torch.as_tensor(sample(9)))[0].dtype == torch.float32


def test_an_unfitted_map_gives_nan_rather_than_numbers() -> None:
    z, log_abs_det = Preprocessing(2)(torch.ones(3, 2))
    assert z.isnan().all()
    assert log_abs_det.isnan().all()
    assert ContextScaling()(torch.ones(3)).isnan().all()


def test_gradients_flow_back_to_float32_features() -> None:
    preprocessing = Preprocessing.fit(sample(), NAMES)
    x = torch.tensor(sample()[:3], dtype=torch.float32, requires_grad=True)
    z, log_abs_det = preprocessing(x)
    (z.sum() + log_abs_det.sum()).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad.dtype == torch.float32


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_fitting_names_the_row_and_column_of_a_bad_value(value: float) -> None:
    x = sample(20)
    x[7, 2] = value
    with pytest.raises(DataError, match=r"'exponential' must be finite.*row 7"):
        Preprocessing.fit(x, NAMES)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_mapping_refuses_a_bad_value(value: float) -> None:
    preprocessing = Preprocessing.fit(sample(), NAMES)
    x = torch.as_tensor(sample()[:5])
    x[4, 1] = value
    for use in (preprocessing, preprocessing.inverse, preprocessing.n_outside):
        with pytest.raises(DataError, match="row 4, feature 1"):
            use(x)


@pytest.mark.parametrize("constant", [0.0, 5.0, 1e12])
def test_a_constant_column_is_refused_by_name(constant: float) -> None:
    x = sample(20)
    x[:, 1] = constant
    with pytest.raises(DataError, match="'gaussian' is constant"):
        Preprocessing.fit(x, NAMES)


@pytest.mark.parametrize("shape", [(1, 2), (0, 2), (5,), (2, 2, 2)])
def test_a_sample_that_cannot_be_fitted_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="needs a sample of shape"):
        Preprocessing.fit(np.zeros(shape))


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="3 names for 4 columns"):
        Preprocessing.fit(sample(), NAMES[:3])
    with pytest.raises(DataError, match=r"shape \(B, 4\), got \(5, 3\)"):
        Preprocessing.fit(sample())(torch.zeros(5, 3))


def test_context_scaling_standardises_and_inverts() -> None:
    mass = np.random.default_rng(0).uniform(2000, 6000, 1000)
    scaling = ContextScaling.fit(mass)
    context = scaling(torch.as_tensor(mass), torch.float64)
    assert context.shape == (1000, 1)
    assert scaling(torch.as_tensor(mass)).dtype == torch.float32
    assert torch.equal(context, scaling(torch.as_tensor(mass)[:, None], torch.float64))
    assert context.mean().item() == pytest.approx(0, abs=1e-12)
    assert context.std(correction=0).item() == pytest.approx(1)
    assert torch.allclose(scaling.inverse(context), torch.as_tensor(mass), rtol=1e-14)
    restored = ContextScaling()
    restored.load_state_dict(scaling.state_dict())
    assert torch.equal(restored(torch.as_tensor(mass)), scaling(torch.as_tensor(mass)))


def test_context_scaling_refuses_what_it_cannot_scale() -> None:
    with pytest.raises(DataError, match="'mass' is constant"):
        ContextScaling.fit(np.full(5, 3500.0))
    with pytest.raises(DataError, match=r"'mass' must be finite.*row 1"):
        ContextScaling.fit(np.array([3500.0, np.nan]))
