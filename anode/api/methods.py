"""One class a method: what its score is, where it comes from, and its own settings."""

from anode.api.model import Model as Model  # with all of its subclasses


class Anode(Model):
    """ANODE: is the data's density in the signal region higher than the sidebands predict?

        R(x|m) = log p_data(x|m) - log p_bg(x|m)

    p_bg is fitted to the sidebands and interpolated in m; p_data is fitted to the signal region,
    without the fold that it scores. Nachman, Shih 2001.04990, eq. (3).

    Own settings: ``warm_start`` (p_data starts from the weights of p_bg), ``joint`` (p_data is
    fitted to the sidebands too). Others as ``Model``; ``parts`` of its scores are ``log_p_data``
    and ``log_p_background``.

    Example:
        >>> import numpy as np
        >>> from anode import Anode, Events
        >>> events = Events.toy(3000, 200)
        >>> quick = {"folds": 2, "epochs": 3, "ensemble": 2, "logit": False}
        >>> model = Anode(signal=(3400, 3600), seed=1, **quick).fit(events)
        >>> scores = model.score(events)
        >>> ratio = scores.log_p_data - scores.log_p_background
        >>> bool(np.array_equal(scores.score, ratio, equal_nan=True))
        True
        >>> new = model.score(Events.toy(100, 0, seed=2))
        >>> int(scores.seen.sum()) == int(scores.scored.sum()), int(new.seen.sum())
        (True, 0)
    """

    method = "anode"


class RAnode(Model):
    """R-ANODE: what does the data have that the background does not explain?

        p_data(x|m) = w p_sig(x|m) + (1 - w) p_bg(x|m),    score = log p_sig(x|m) - log p_bg(x|m)

    p_bg is fitted to the sidebands and kept; p_sig and w are fitted to the signal region. Das,
    Kasieczka, Shih 2312.11629, eqs. (5) to (7), with p_sig conditional on m.

    Own settings: ``fraction`` (w is "fixed", "scanned" or "learned"), ``fractions`` (the values),
    ``fits`` (of p_sig for each fold), ``method_density`` and ``method_trainer`` (of p_sig). Others
    as ``Model``; ``parts`` are ``log_p_signal`` and ``log_p_background``, and ``extra`` has the
    ``signal_fraction`` of the events with its error.

    Example:
        >>> from anode import Events, RAnode
        >>> events = Events.toy(3000, 300)
        >>> quick = {"folds": 2, "epochs": 3, "ensemble": 2, "logit": False}
        >>> model = RAnode(signal=(3400, 3600), fits=1, method_trainer={"epochs": 3}, **quick)
        >>> extra = model.fit(events).score(events).extra
        >>> 0 < extra["signal_fraction"] < 1, extra["signal_fraction_error"] > 0
        (True, True)
    """

    method = "r_anode"


class Cathode(Model):
    """CATHODE: can a classifier tell the data from events drawn from the interpolated background?

        score = log P(data|x) - log P(background|x),    background: x ~ p_bg(x|m)

    p_bg is fitted to the sidebands; masses follow a kernel density estimate of the signal region.
    Hallin et al. 2109.00546.

    Own settings: ``oversampling`` (events drawn for every data event), ``mass_bandwidth`` [GeV].
    Others as ``Model``, with ``classifier="hgb"`` or ``"mlp"``; scores have no parts.

    Example:
        >>> from anode import Cathode, Events
        >>> events = Events.toy(2000, 200)
        >>> quick = {"folds": 2, "epochs": 2, "ensemble": 2, "logit": False}
        >>> trees = {"name": "hgb", "members": 2, "max_iter": 10}
        >>> model = Cathode(signal=(3400, 3600), classifier=trees, **quick).fit(events)
        >>> model.score(events).meaning
        "log-odds of the classifier's mean probability"
    """

    method = "cathode"


class LaCathode(Model):
    """LaCATHODE: CATHODE in the latent space of p_bg, where background is a standard normal.

        score = log P(data|z) - log P(background|z),    z = T(x; m), background: z ~ N(0, 1)

    It does not follow features that follow the mass. Hallin et al. 2210.14924.

    Own settings: ``oversampling`` (normal numbers drawn for every data event). Others as
    ``Cathode``.

    Example:
        >>> from anode import Events, LaCathode
        >>> events = Events.toy(2000, 200)
        >>> quick = {"folds": 2, "epochs": 2, "ensemble": 2, "logit": False}
        >>> trees = {"name": "hgb", "members": 2, "max_iter": 10}
        >>> model = LaCathode(signal=(3400, 3600), classifier=trees, **quick).fit(events)
        >>> int(model.score(events).scored.sum())
        483
    """

    method = "lacathode"


class Cwola(Model):
    """CWoLa hunting: can a classifier tell the signal region from the strips beside it?

        score = log P(signal region|x) - log P(strips|x)

    It needs no density, but fails where features follow the mass. Collins, Howe, Nachman
    1805.02664.

    Own settings: ``strip`` (width on either side [GeV]). Others as ``Model``, with
    ``classifier="hgb"`` or ``"mlp"``; scores have no parts.

    Example:
        >>> from anode import Cwola, Events
        >>> events = Events.toy(2000, 200)
        >>> trees = {"name": "hgb", "members": 2, "max_iter": 10}
        >>> model = Cwola(signal=(3400, 3600), folds=2, strip=150.0, classifier=trees).fit(events)
        >>> int(model.score(events).scored.sum())
        483
    """

    method = "cwola"


class IsolationForest(Model):
    """Isolation forest: which events are easily set apart from the others?

        score = log s(x),    s: the anomaly score of the forest

    It looks for outliers and knows nothing of over-densities in mass: the naive baseline. Liu,
    Ting, Zhou, ICDM 2008, doi:10.1109/ICDM.2008.17.

    Own settings: ``trees``, ``max_samples`` (events each tree is grown on). Others as ``Model``;
    scores have no parts.

    Example:
        >>> from anode import Events, IsolationForest
        >>> events = Events.toy(2000, 200)
        >>> model = IsolationForest(signal=(3400, 3600), folds=2, trees=20).fit(events)
        >>> int(model.score(events).scored.sum())
        483
    """

    method = "isolation_forest"


class Autoencoder(Model):
    """Autoencoder or another representation: how unlike the background is an event?

        score = |x - x'|^2, KL, their sum, -log p_bg(z|m), or the Mahalanobis distance of z

    with the latent numbers z of a representation that is fitted to the sidebands alone. It knows
    nothing of over-densities in mass: outliers, not resonances.

    Own settings: ``score``, "reconstruction", "kl", "elbo", "latent_density" or "mahalanobis", the
    last of the features themselves without a ``representation``. Others as ``Model``; ``parts``
    are the scores that cost nothing more.

    Example:
        >>> from anode import Autoencoder, Events
        >>> events = Events.toy(2000, 200)
        >>> ae = {"name": "ae", "trainer": {"epochs": 2}}
        >>> model = Autoencoder(signal=(3400, 3600), folds=2, representation=ae).fit(events)
        >>> sorted(model.score(events).parts)
        ['mahalanobis', 'reconstruction']
    """

    method = "autoencoder"


class SingleFeature(Model):
    """One feature as a score: what needs no training, and what others must beat.

    Own settings: ``feature``, its name; ``sign``, 1 if large values are anomalous or -1. Others as
    ``Model``; scores have no parts.

    Example:
        >>> from anode import Events, SingleFeature
        >>> events = Events.toy(2000, 200)
        >>> model = SingleFeature(signal=(3400, 3600), feature="x1").fit(events)
        >>> int(model.score(events).scored.sum())
        483
    """

    method = "single_feature"


class Iad(Model):
    """Idealised anomaly detector: a classifier between the data and simulated background.

        score = log P(data|x) - log P(background|x)

    It uses truth labels of events outside the data: a ceiling, not a search. Hallin et al.
    2109.00546, sec. 3.4. Settings as ``Model``, with ``classifier="hgb"`` or ``"mlp"``; scores
    have no parts.

    Example:
        >>> from anode import Events, Iad
        >>> events, simulation = Events.toy(2000, 200), Events.toy(2000, 200, seed=2)
        >>> trees = {"name": "hgb", "members": 2, "max_iter": 10}
        >>> model = Iad(signal=(3400, 3600), folds=2, classifier=trees)
        >>> int(model.fit(events, simulation=simulation).score(events).scored.sum())
        483
    """

    method = "iad"


class Supervised(Model):
    """Supervised classifier between simulated signal and simulated background.

        score = log P(signal|x) - log P(background|x)

    It uses truth labels of events outside the data: a ceiling, not a search. Settings as
    ``Model``, with ``classifier="hgb"`` or ``"mlp"``; scores have no parts.

    Example:
        >>> from anode import Events, Supervised
        >>> events, simulation = Events.toy(2000, 200), Events.toy(2000, 200, seed=2)
        >>> trees = {"name": "hgb", "members": 2, "max_iter": 10}
        >>> model = Supervised(signal=(3400, 3600), folds=2, classifier=trees)
        >>> int(model.fit(events, simulation=simulation).score(events).scored.sum())
        483
    """

    method = "supervised"


class Combination(Model):
    """Several methods at once: an event counts by how rare its score is under each.

        score = mean over methods of -log P(a data event scores higher)

    Own settings: ``members``, names of methods (``["anode", "cwola"]``) or a mapping of a name to
    its settings (``{"anode": {"warm_start": False}, "cwola": {}}``). Others as ``Model``;
    ``parts`` are ``score_NAME``.

    Example:
        >>> from anode import Combination, Events
        >>> events = Events.toy(2000, 200)
        >>> trees = {"name": "hgb", "members": 2, "max_iter": 10}
        >>> members = {"cwola": {}, "isolation_forest": {"trees": 20}}
        >>> model = Combination(signal=(3400, 3600), folds=2, members=members, classifier=trees)
        >>> sorted(model.fit(events).score(events).parts)
        ['score_cwola', 'score_isolation_forest']
    """

    method = "combination"
