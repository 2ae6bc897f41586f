"""A wrong argument is explained by what comes near, in one line."""

import pytest

from anode.configuration.composition import compose
from anode.errors import ConfigError


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        ("run", "trainer.epoch=3", "unknown key trainer.epoch; did you mean trainer.epochs?"),
        ("run", "epochs=3", "unknown key epochs; did you mean trainer.epochs?"),
        ("run", "experimnt=toy", "unknown key experimnt; did you mean experiment?"),
        ("run", "density=mafs", "got mafs; did you mean maf?"),
        ("run", "experiment=toyy", "experiment must be one of anode, anode_paper, "),
        ("run", "method=r_anode density@method.density=maff", "got maff; did you mean maf?"),
        ("run", "density@method.density=maf", "unknown group density@method.density; --help"),
        ("run", "method=cathode method.warm_start=true", "method has name, oversampling, "),
        (
            "run",
            "trainer=null",
            "trainer must be one of default, paper, representation, search, got null",
        ),
        ("run", "xyz=3", "unknown key xyz; --help lists those of the command"),
        ("run", "~trainer.x", "unknown key trainer.x; trainer has epochs, "),
        ("run", "seed=1,2", "write a list, 'seed=[1,2]'"),
        ("run", "toy", "an argument must be KEY=VALUE, got 'toy'"),
        ("run", "=3", "an argument must be KEY=VALUE, got '=3'"),
        ("run", "features=[mj1", "cannot read 'features=[mj1': close every bracket"),
        ("run", "run_dir=a=b", "as run_dir='\"VALUE\"'"),
        ("run", "seed.x=3", "'seed.x'"),
        ("run", "hydra/launcher=jobli", "did you mean joblib?"),
        ("search", "scan.windw=2", "unknown key scan.windw; did you mean scan.window?"),
        ("explore", "density=maf", "unknown group density"),
        ("calibrate", "", "calibration must be given: calibration=CHOICE, one of anode_no_sig"),
        ("compare", "study=famly", "got famly; did you mean family?"),
        ("compare", "study=family study.sedes=[1]", "did you mean study.seeds?"),
    ],
)
def test_a_wrong_argument_names_what_comes_near(config, overrides, message):
    with pytest.raises(ConfigError) as caught:
        compose(config, overrides.split())
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "overrides",
    [
        "ensemble={mode: best}",
        "distortion.shift={mj1: 0.1}",
        "+trainer.new=3",
        "method=combination density@method.members.r_anode.density=maf",
    ],
)
def test_what_hydra_accepts_is_accepted(overrides):
    assert compose("run", [overrides] if "{" in overrides else overrides.split())
