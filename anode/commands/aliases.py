"""Words of an earlier code that users still type: ``train.py --model vae --data hlf``."""

import argparse
from collections.abc import Sequence

HIGH_LEVEL = "features=[mj1,delta_mj,tau21_1,tau21_2,tau32_1,tau32_2,pt_1,pt_2]"
MODELS = ("ae", "vae", "unet", "cae", "vit", "sparse_ae", "set_ae")
OF_FEATURES = ("ae", "vae")


def translate(command: str, arguments: Sequence[str]) -> list[str]:
    """Words after ``anode`` for ``train.py`` or ``tune.py`` with ``--model``; as they are without.

    Example:
        >>> translate("train", ["--model", "unet", "--data", "llf", "seed=2"])
        ['run', 'method=autoencoder', 'data=bundled_particles', 'representation=unet', 'seed=2']
        >>> translate("train", ["method=anode"])
        ['train', 'method=anode']
    """
    if not any(word.startswith("--model") for word in arguments):
        return [command, *arguments]
    parser = argparse.ArgumentParser(prog=f"{command}.py", add_help=False)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--data", choices=("hlf", "llf"))
    known, rest = parser.parse_known_args(list(arguments))
    high_level = (known.data or ("hlf" if known.model in OF_FEATURES else "llf")) == "hlf"
    if high_level != (known.model in OF_FEATURES):
        kind = "hlf, features" if known.model in OF_FEATURES else "llf, particles"
        parser.error(f"--model {known.model} is made of --data {kind}")
    own = ["method=autoencoder", HIGH_LEVEL if high_level else "data=bundled_particles"]
    own.append(f"representation={known.model}")
    if command == "train":
        return ["run", *own, *rest]
    listed = ",".join(f"'{text}'" for text in own)
    given = any(word.startswith("output=") for word in rest)
    output = [] if given else [f"output=results/tune/{known.model}"]
    return ["tune", f"space={known.model}", f"overrides=[{listed}]", *output, *rest]
