"""ANODE's score against the closed-form density ratio, on events where that is known."""

import numpy as np
import pytest

from anode.evaluation.curves import performance
from anode.events.simulation.toy import Toy
from anode.pipeline.runs import config as configuration
from anode.pipeline.runs import stages
from anode.pipeline.runs.prepare import prepare
from anode.pipeline.runs.score_file import read_scores
from helpers.chain import composed_content


@pytest.mark.slow
def test_the_score_is_the_closed_form_ratio_and_its_sic_the_optimum(tmp_path):
    options = ["n_jobs=1", "store=null", f"run_dir={tmp_path / 'run'}"]
    content = composed_content("experiment=toy", *options)
    config = configuration.from_mapping(content)
    stages.run(config)
    scored = read_scores(tmp_path / "run" / "scores.h5")
    prepared = prepare(config)
    # In the order of scores.h5: data first, then the signal that was not injected.
    data = prepared.data[prepared.in_signal_region()]
    extra = prepared.extra[prepared.regions.in_signal_region(prepared.extra.mass)]
    features = np.concatenate([data.features, extra.features])
    assert np.array_equal(scored.mass, np.concatenate([data.mass, extra.mass]))
    n_signal = config.injection.n_signal
    truth = Toy().log_ratio(features, scored.mass, n_signal, config.data.n_background)

    sample = np.random.default_rng(0).choice(np.flatnonzero(scored.sample == 0), 10_000, False)
    pearson = np.corrcoef(truth[sample], scored.score[sample])[0, 1]
    slope, _ = np.polyfit(truth[sample], scored.score[sample], 1)
    assert pearson > 0.98
    assert slope == pytest.approx(1.0, abs=0.05)

    found = performance(scored.score, scored.label, np.random.default_rng(1))
    best = performance(truth, scored.label, np.random.default_rng(1))
    # Same events for both: the errors of the two are correlated, which makes this the safe side.
    for fpr, (optimum, _) in best.sic_at_fpr.items():
        if fpr == 1e-2:
            value, error = found.sic_at_fpr[fpr]
            assert abs(value - optimum) < 2 * error
    # AUC weighs the bulk, where the true R is flat and the noise of the fits, about 0.1, decides.
    assert found.auc == pytest.approx(best.auc, abs=0.02)
